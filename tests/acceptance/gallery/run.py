"""Runs a connector of the gallery, from anywhere: ``python run.py NAME spec``."""

import os
import sys

sys.path[:1] = [os.path.dirname(os.path.abspath(__file__))]

if __name__ == "__main__":
    import correct

    name = sys.argv[1]
    if name == "correct":
        kind = correct.Correct
    else:
        import broken

        kind = broken.GOOD[name] if name in broken.GOOD else broken.DEFECTS[name].kind
    sys.exit(kind().main(sys.argv[2:]))
