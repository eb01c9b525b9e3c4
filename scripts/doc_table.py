"""doc_table.py - puts a measured table into a page of docs/, between two comments of its own."""
import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def split(page, name):
    """docs/page before the comment <!-- name -->, from it to the end of <!-- end of name -->, and after."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    with open(os.path.join(ROOT, "docs", page)) as file:
        head, rest = file.read().split(begin)
    table, tail = rest.split(end)
    return head, begin + table + end, tail


def block(page, name):
    """The table of that name with its two comments."""
    return split(page, name)[1]


def write(page, name, table):
    """Replaces the text between the two comments; table ends with a newline."""
    head, _, tail = split(page, name)
    with open(os.path.join(ROOT, "docs", page), "w") as file:
        file.write(f"{head}<!-- {name} -->\n{table}<!-- end of {name} -->\n{tail}")
