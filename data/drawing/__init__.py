"""What `draw_sample.py` is made of: fields, scene, sheet, car, damage, raycast."""
