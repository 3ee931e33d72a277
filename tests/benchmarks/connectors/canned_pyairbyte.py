"""Reads the canned connector by PyAirbyte, in a loop over its records; prints what that cost, as JSON."""

import json
import os
import resource
import sys
import time
from pathlib import Path

os.environ.update(DO_NOT_TRACK="1", AIRBYTE_OFFLINE_MODE="1")
import airbyte


def main():
    os.environ["CANNED_RECORDS"] = sys.argv[1]
    canned = Path(__file__).with_name("canned.py")
    source = airbyte.get_source("source-canned", config={}, local_executable=canned)
    source.select_all_streams()
    before = time.process_time()
    dataset = source.get_records("items")  # which ends its read when nobody holds it
    records = sum(1 for _ in dataset)
    cpu = time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("\n" + json.dumps({"records": records, "cpu": cpu, "peak": peak}))


main()
