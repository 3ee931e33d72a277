"""Texts for generated items: ordinary ones, and ones that break careless readers."""

from __future__ import annotations

LOGINS = [
    "octocat", "hubot", "monalisa", "defunkt", "ada-l", "grace-h", "björn-ish", "linus42", "dependabot[bot]",
    "margaret", "dennis-r", "ken-t", "barbara", "edsger", "alan", "katherine", "hedy", "annie", "radia",
    "frances", "jean", "adele", "sophie", "shafi", "leslie", "tony-h", "donald-k", "john-b", "niklaus",
    "bjarne",
]  # fmt: skip

TITLES = [
    "Crash when the input is empty",
    "Docs: explain the retry policy",
    "Quotes \"inside\" and 'around' the title",
    "Ünïcödé in names is lost",
    "🚀 Release checklist for the next minor",
    "修复分页错误",
    "دعم النص من اليمين إلى اليسار",
    "Backslash \\n is not a newline, and \\u0041 is not an A",
    "</script><b>markup</b> & entities &amp;",
    "Zero-width\u200bspace and combining e\u0301",
    "[RFC] Replace the parser",
    "Flaky test on slow disks",
]

BODIES = [
    None,
    "",
    "Short and plain.",
    "Windows line ends\r\nare what the web form sends.\r\n\r\n- [x] done\r\n- [ ] not done",
    "A line separator\u2028and a paragraph separator\u2029are legal in JSON strings.",
    'He said "no", she wrote `{"key": "va\\"lue"}` and left a tab\there.',
    "Emoji: 🎉👩‍👩‍👧‍👦🇺🇳 and an astral letter \U0001d518.",
    "```python\nfor i in range(3):\n    print(i)\n```\nNext line separator: \u0085end",
    "長い本文。" * 120,
    "x" * 4000,
    "null",
    "2024-01-01T00:00:00Z",
]

LABELS = [
    ("bug", "d73a4a", "Something isn't working", True),
    ("documentation", "0075ca", "Improvements or additions to documentation", True),
    ("duplicate", "cfd3d7", "This issue or pull request already exists", True),
    ("enhancement", "a2eeef", "New feature or request", True),
    ("good first issue", "7057ff", "Good for newcomers", True),
    ("help wanted", "008672", "Extra attention is needed", True),
    ("area/λ: core", "ededed", None, False),
    ("🔥 urgent", "b60205", "", False),
    ("wontfix", "ffffff", "This will not be worked on", True),
]

ASSOCIATIONS = ["OWNER", "MEMBER", "CONTRIBUTOR", "COLLABORATOR", "NONE", "FIRST_TIME_CONTRIBUTOR"]
REVIEW_STATES = ["APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED"]
RUN_CONCLUSIONS = ["success", "failure", "cancelled", "skipped", "timed_out"]
RUN_EVENTS = ["push", "pull_request", "schedule", "workflow_dispatch"]
