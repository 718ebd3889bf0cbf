"""Texts of labels as people's tools write them, each cell known."""

import numpy as np
import pytest

from jaxlatent.evaluation.text_tables import read_columns

LABELS = [0, 1, 1, 0]


def column(text):
    found = read_columns(text)
    assert found.values.shape[1] == 1, found
    return found.values[:, 0].tolist()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("0\n1\n1\n0\n", None),
        ("0\r\n1\r\n1\r\n0", None),
        ("0\r1\r1\r0\r", None),
        ("\n0\n\n1\n1\n0\n\n", None),
        ("smile\n0\n1\n1\n0\n", ("smile",)),
        ('"smile, broad"\n0\n1\n1\n0\n', ("smile, broad",)),
        ("# smile\n0\n1\n1\n0\n", ("smile",)),
        ("# made on Monday, by hand\n0\n1\n1\n0\n", None),
        ("False\nTrue\ntrue\nfalse\n", None),
        ("0.0\n1.\n1e0\n+.0\n", None),
        # counted from 0 or from 1, under a name or without
        ("key\tlabel\n0\t0\n1\t1\n2\t1\n3\t0\n", ("label",)),
        ("id,smile\n1,0\n2,1\n3,1\n4,0\n", ("smile",)),
        (",smile\n0,0\n1,1\n2,1\n3,0\n", ("smile",)),
        (",0\n0,0\n1,1\n2,1\n3,0\n", ("0",)),
        ("0 0\n1 1\n2 1\n3 0\n", None),
        ("image_id;smile\n000001;0\n000002;1\n000003;1\n000004;0\n", ("smile",)),
        # beside text
        ("a.png,0\nb.png,1\nc.png,1\nd.png,0\n", None),
        ("file,smile\na.png,0\nb.png,1\nc.png,1\nd.png,0\n", ("smile",)),
        ("file,0\na.png,0\nb.png,1\nc.png,1\nd.png,0\n", ("0",)),
        ('"f","s"\n"a, b.png",0\n"b.png",1\n"c.png",1\n"d.png",0\n', ("s",)),
        ("smile;who\n0;ann\n1;bob\n1;ann\n0;bob\n", ("smile",)),
        ("smile,\n0,\n1,\n1,\n0,\n", ("smile",)),
        # row names without a name of their own
        ('"smile"\n"1" 0\n"2" 1\n"3" 1\n"4" 0\n', ("smile",)),
    ],
)
def test_one_column_of_labels(text, names):
    assert column(text) == LABELS
    assert read_columns(text).names == names


@pytest.mark.parametrize("separator", ["\t", ";", ",", ", ", " ", "   ", " ; "])
def test_many_columns(separator):
    rows = np.asarray([[0.5, -1, 3e-5], [1, 2, -3]])
    lines = [separator.join(str(one) for one in row) for row in rows.tolist()]
    found = read_columns("\n".join(lines))
    np.testing.assert_array_equal(found.values, rows)
    assert found.names is None
    head = separator.join(["age", "smile", "age"])
    found = read_columns("\n".join([head, *lines]))
    np.testing.assert_array_equal(found.values, rows)
    assert found.names == ("age", "smile", "age'")
    word = {"\t": "tabs", ";": "semicolons", ",": "commas"}
    assert found.decisions == (
        f"separated by {word.get(separator.strip(' '), 'spaces')}",
        "with a header",
    )


def test_celeba_counts_its_rows_and_names_its_pictures():
    text = (
        "3\n"
        "5_o_Clock_Shadow Arched_Eyebrows Young \n"
        "000001.jpg -1  1  1\n"
        "000002.jpg -1 -1  1\n"
        "000003.jpg  1 -1 -1\n"
    )
    found = read_columns(text)
    assert found.values.tolist() == [[-1, 1, 1], [-1, -1, 1], [1, -1, -1]]
    assert found.names == ("5_o_Clock_Shadow", "Arched_Eyebrows", "Young")
    assert found.pictures == ("000001.jpg", "000002.jpg", "000003.jpg")
    assert found.decisions == (
        "separated by spaces",
        "line 1 counts them",
        "with a header",
        "column '' names pictures",
    )
    cut = text[: text.rindex("000003")]
    with pytest.raises(ValueError, match=r"^line 1 announces 3 rows; 2 follow"):
        read_columns(cut.replace("000002.jpg -1 -1  1\n", ""))
    # identities: no header
    found = read_columns("2\n000001.jpg 2880\n000002.jpg 2937\n")
    assert found.values.tolist() == [[2880], [2937]]


def test_what_was_left_out_is_said():
    found = read_columns("key,who,file,smile,\n0,x,a.png,1,\n1,x,b.png,0,\n")
    assert found.values.tolist() == [[1], [0]]
    assert found.pictures == ("a.png", "b.png")
    assert found.decisions == (
        "separated by commas",
        "with a header",
        "column 'who' is text and left out",
        "column 'file' names pictures",
        "column '' is empty and left out",
        "column 'key' counts rows and is left out",
    )


def test_a_column_is_no_counter_unless_that_is_proven():
    # two rows, and a name that says something else
    assert read_columns("0,1\n1,0\n").values.shape == (2, 2)
    assert read_columns("age,smile\n0,1\n1,0\n2,1\n").values.shape == (3, 2)
    assert read_columns("id,smile\n7,1\n9,0\n12,1\n").values.shape == (3, 2)
    # alone it holds the scores
    assert column("0\n1\n2\n3\n") == [0, 1, 2, 3]
    assert column("key\n0\n1\n2\n") == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\n", "it holds no column of numbers"),
        ("# only this\n", "it holds comments alone"),
        ("smile\n0\nnan\n", r"line 3, column 'smile': 'nan' is missing"),
        ("a,b\n0,1\n1,\n", r"line 3, column 'b': '' is missing"),
        ("a,b\n0,1\n1,?\n", r"line 3, column 'b': '\?' is missing"),
        ("0\n1\nyes\n", r"line 3, column '0': 'yes' is no number"),
        ("0\n1_000\n", r"'1_000' is no number"),
        ("0\n1e999\n", "line 2 holds a number that is not finite"),
        ("0,1\n1\n", "line 2 has 1 cells, line 1 2"),
        ("a\tb\n0\t1\n1\t2\t3\n", "line 3 has 3 cells, line 2 2"),
        ("smile;age\n0,5;1\n0,7;2\n", "line 2: '0,5' .*decimal comma; points"),
        ("0,5\t1\n0,7\t2\n", "'0,5' .*decimal comma"),
        ('"0,5"\n"0,7"\n', "'0,5' .*decimal comma"),
        ("0,05\n0,70\n", "line 1: '05' belongs to a decimal comma"),
        ("0,5 0,7\n0,1 0,2\n", "line 1: '5 0' is more than a number"),
        ("key,a\n2,0\n0,1\n1,1\n", "column 'key' numbers the rows in another order"),
        ("2 0\n0 1\n1 1\n", "column '0' numbers the rows in another order"),
        ('"a,b\n0,1\n', "line 1 is quoted wrongly"),
        ("9\n1 2\n3 4\n", "line 1 announces 9 rows; 2 follow"),
        ("words\n1 2\n3 4\n", "line 2 has 2 cells, line 1 1"),
        ("a,b\nnan,1\nnan,2\n", "column 'a' holds no number"),
    ],
)
def test_what_is_no_whole_table_is_named(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_columns(text)
    assert "\n" not in str(caught.value)
