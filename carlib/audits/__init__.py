"""What is wrong with the data: files, copies, labels, classes, photos unlike others."""
