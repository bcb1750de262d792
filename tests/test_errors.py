from casemate.errors import InputError, quote


def test_what_cannot_be_written_out_is_told_by_its_kind() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    assert quote(10**5000) == "int too large to show"
    assert quote(deep) == "list too large to show"
    assert "int too large" in str(InputError("x", got=10**5000, want="y"))


def test_foreign_text_is_one_line_of_200_characters() -> None:
    assert quote("a\n\x1b[31m\u202e") == "a\ufffd\ufffd[31m\ufffd"
    assert len(quote("x" * 1000)) == 200
