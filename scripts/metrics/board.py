"""Has Prometheus evaluate every query of the board: board.py URL BOARD"""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request

url, board = sys.argv[1:]
VALUES = {"$instance": ".*", "$service": ".*", "$job": "evenkeel", "$__rate_interval": "1m", "$__interval": "15s"}


def queries(value):
    if isinstance(value, dict):
        if isinstance(value.get("expr"), str):
            yield value["expr"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from queries(each)


def ask(expression):
    for name, meaning in VALUES.items():
        expression = expression.replace(name, meaning)
    query = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{query}") as answer:
            return len(json.load(answer)["data"]["result"])
    except urllib.error.HTTPError as error:
        sys.exit(f"{expression}: {json.load(error)['error']}")


with open(board) as file:
    found = {expression: ask(expression) for expression in queries(json.load(file))}
empty = [expression for expression, count in found.items() if count == 0]
print("nothing to show here:", *empty, sep="\n  ")
print(f"{len(found)} queries, {len(found) - len(empty)} of which have something to show here")
