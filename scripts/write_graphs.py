"""Write the graphs that carlib ships of its networks; see carlib/backbones/graphs.py.

    python scripts/write_graphs.py

Needs TensorFlow and takes two minutes. To be run after a change of an architecture;
tests/backbones/test_graphs.py holds that they give what Keras's networks give.
"""

from carlib.backbones import graphs, kept
from carlib.backbones.architectures import ARCHS
from carlib.backbones.backbone import Backbone
from carlib.files import write_zip


def main() -> None:
    for arch in ARCHS:
        backbone = Backbone(arch, weights=None, precision="float32")
        model = graphs.open_graph(backbone.network, backbone.input_size)
        parts = dict(zip(graphs.PARTS, kept.network_of(model), strict=True))
        write_zip(graphs.FOLDER / f"{arch}.zip", parts, deflated=True)
        print(arch, *(f"{len(part):,}" for part in parts.values()))


if __name__ == "__main__":
    main()
