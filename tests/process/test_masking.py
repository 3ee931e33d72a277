"""Secrets are replaced in every form in which they travel."""

from __future__ import annotations

import base64
import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.process.masking import Mask

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=15)
secrets = st.text(st.characters(exclude_categories=["Cs", "Zs", "Cc", "Zl", "Zp"]), min_size=4, max_size=25).filter(
    lambda secret: set(secret) != {"*"}
)


class TestForms:
    @given(secrets, text, text)
    def test_none_is_left(self, secret: str, before: str, after: str) -> None:
        mask = Mask([secret])
        for form in (
            secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1], repr(secret.encode())[2:-1],
        ):  # fmt: skip
            masked = mask(f"{before}{form}{after}")
            assert form not in masked or form in "****"

    @given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=9, max_size=30), text, text)
    def test_in_base64_wherever_it_stands(self, secret: str, before: str, after: str) -> None:
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(f"{before}{secret}{after}".encode()).decode()
            assert Mask([secret])(f"Basic {encoded};") == "Basic ****;"

    @given(secrets, text)
    def test_what_is_not_secret_stays(self, secret: str, other: str) -> None:
        if not any(part in other for part in (secret, *secret.split(","))):
            assert secret in other or Mask([secret + "!"])(other) == other

    def test_longest_first(self) -> None:
        assert Mask(["abcd", "abcdefgh"])("abcdefgh abcd") == "**** ****"

    def test_overlapping_ones_are_one_gap(self) -> None:
        assert Mask(["abcdef", "ghijkl"])("x abcdefghijkl y") == "x **** y"

    def test_each_of_a_list(self) -> None:
        mask = Mask(["first-one, second-one"])
        assert mask("a first-one b second-one c first-one, second-one") == "a **** b **** c ****"

    def test_lower_case_escapes(self) -> None:
        assert Mask(["a/b+c&d"])("?q=a%2fb%2bc%26d") == "?q=****"

    def test_json_in_json(self) -> None:
        secret = 'quo"te\\d'
        twice = json.dumps(json.dumps({"t": secret}))
        assert "quo" not in Mask([secret])(twice)

    def test_lines_of_a_key(self) -> None:
        assert "abcdefghij" not in Mask(["BEGIN\nabcdefghij\nEND"])("line: abcdefghij")


class TestShort:
    @pytest.mark.parametrize("secret", ["a", "12", "abc"])
    def test_only_as_words_of_their_own(self, secret: str) -> None:
        mask = Mask([secret])
        assert mask(f"token={secret}, x") == "token=****, x"
        assert mask(f"x{secret}x 9{secret}9") == f"x{secret}x 9{secret}9"

    @pytest.mark.parametrize("secret", ["", " ", ",", ",,"])
    def test_nothing_is_no_secret(self, secret: str) -> None:
        assert Mask([secret])("a text, of words") in ("a text, of words", "a text**** of words")


class TestGrowing:
    def test_more_may_be_added(self) -> None:
        mask = Mask(["first"])
        mask.add(["second"])
        assert mask("first second") == "**** ****"
        assert mask.longest >= len("second")

    def test_none(self) -> None:
        assert Mask()("text") == "text"
        assert Mask().longest == 0

    def test_is_quick(self) -> None:
        mask = Mask([f"s3cret-{i}-{'x' * 30}" for i in range(50)])
        began = time.process_time()
        mask("A" * 2_000_000 + " " + "some words of a log " * 50_000)
        assert time.process_time() - began < 3
