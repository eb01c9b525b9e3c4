"""doc_table.py - puts a measured table into a page of docs/, between two comments of its own."""
import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def write(page, name, table):
    """Replaces what stands between <!-- name --> and <!-- end of name --> in docs/page; table ends with a newline."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    path = os.path.join(ROOT, "docs", page)
    with open(path) as file:
        head, rest = file.read().split(begin)
    _, tail = rest.split(end)
    with open(path, "w") as file:
        file.write(head + begin + table + end + tail)
