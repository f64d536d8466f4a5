"""The parts of `run.py`: their order, execution, checks and the summary."""

import sys

# jsonschema, which nbformat brings in, has it compile a grammar of web addresses: a
# second at each start. It does without, and no notebook is checked for these.
sys.modules.setdefault("rfc3987_syntax", None)
