#!/usr/bin/env python3
"""Draws what a terminal shows as SVG: `tmux capture-pane -e -p -t NAME | scripts/terminal_picture.py 80 24 > docs/img/top.svg`

Reads the text and the colours (SGR) from standard input. The arguments are the columns and rows. Block characters, of which `evenkeel top` makes
its curves, are drawn as rectangles, because fonts leave gaps between them.
"""
import html
import re
import sys

WIDTH, HEIGHT, SIZE, MARGIN = 8.4, 18, 14, 12  # of a cell, of the letters, around the picture
PAPER, INK = "#1a1b26", "#c8ccd8"
COLOURS = ["#414868", "#f7768e", "#9ece6a", "#e0af68", "#7aa2f7", "#bb9af7", "#7dcfff", "#c8ccd8"]
BRIGHT = ["#6b7394", "#ff9aab", "#b9f27c", "#ffcf8a", "#9ec0ff", "#d2b8ff", "#a6e3ff", "#ffffff"]


def indexed(number):
    """A colour of the 256: 16 named ones, a cube of 6 x 6 x 6, 24 greys."""
    if number < 16:
        return (COLOURS + BRIGHT)[number]
    if number < 232:
        number -= 16
        levels = [0, 95, 135, 175, 215, 255]
        return "#%02x%02x%02x" % (levels[number // 36], levels[number // 6 % 6], levels[number % 6])
    return "#%02x%02x%02x" % ((8 + 10 * (number - 232),) * 3)


def colour(codes):
    """The colour after 38 or 48."""
    if codes.pop(0) == 5:
        return indexed(codes.pop(0))
    return "#%02x%02x%02x" % tuple(codes.pop(0) for _ in range(3))


def styled(style, text):
    """The style after an escape sequence with these numbers."""
    codes = [int(code or 0) for code in text.split(";")]
    while codes:
        code = codes.pop(0)
        if code == 0:
            style = {}
        elif code in (1, 2, 3, 4, 7):
            style = {**style, code: True}
        elif code in (22, 23, 24, 27):
            gone = {22: (1, 2), 23: (3,), 24: (4,), 27: (7,)}[code]
            style = {key: value for key, value in style.items() if key not in gone}
        elif code in (38, 48):
            style = {**style, "ink" if code == 38 else "paper": colour(codes)}
        elif code in (39, 49):
            style = {key: value for key, value in style.items() if key != ("ink" if code == 39 else "paper")}
        else:
            for base, key, names in ((30, "ink", COLOURS), (40, "paper", COLOURS), (90, "ink", BRIGHT), (100, "paper", BRIGHT)):
                if base <= code < base + 8:
                    style = {**style, key: names[code - base]}
    return style


def runs(line):
    """The pieces of a line, each with its first column and its style. A style goes on over the end of a line, which the caller does."""
    column = 0
    for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
        if piece.startswith("\x1b"):
            STYLE[0] = styled(STYLE[0], piece[2:-1])
        elif piece:
            yield column, piece, STYLE[0]
            column += len(piece)


STYLE = [{}]


def draw(column, row, text, style):
    ink, paper = style.get("ink", INK), style.get("paper")
    if style.get(7):
        ink, paper = paper or PAPER, ink
    x, y = MARGIN + column * WIDTH, MARGIN + row * HEIGHT
    if paper:
        yield f'<rect x="{x:.1f}" y="{y}" width="{len(text) * WIDTH:.1f}" height="{HEIGHT}" fill="{paper}"/>'
    faint = ' opacity="0.6"' if style.get(2) else ""
    for found in re.finditer(r"[\u2581-\u2588]+|[^\s\u2581-\u2588]+( [^\s\u2581-\u2588]+)*", text):
        left = x + found.start() * WIDTH
        if "\u2581" <= found[0][0] <= "\u2588":
            for blocks in re.finditer(r"(.)\1*", found[0]):
                tall = HEIGHT * (ord(blocks[1]) - 0x2580) / 8
                yield (f'<rect x="{left + blocks.start() * WIDTH:.1f}" y="{y + HEIGHT - tall:.2f}" '
                       f'width="{len(blocks[0]) * WIDTH:.1f}" height="{tall:.2f}" fill="{ink}"{faint}/>')
            continue
        weight = ' font-weight="bold"' if style.get(1) else ""
        yield (f'<text x="{left:.1f}" y="{y + 13.5}" fill="{ink}"{weight}{faint} textLength="{len(found[0]) * WIDTH:.1f}" '
               f'lengthAdjust="spacingAndGlyphs" xml:space="preserve">{html.escape(found[0])}</text>')


def main():
    columns, rows = int(sys.argv[1]), int(sys.argv[2])
    lines = sys.stdin.read().split("\n")[:rows]
    width, height = columns * WIDTH + 2 * MARGIN, rows * HEIGHT + 2 * MARGIN
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}" '
          f'font-family="ui-monospace, \'DejaVu Sans Mono\', Menlo, Consolas, monospace" font-size="{SIZE}">')
    print(f'<rect width="100%" height="100%" rx="6" fill="{PAPER}"/>')
    for row, line in enumerate(lines):
        for column, text, style in runs(line):
            print(*draw(column, row, text, style), sep="\n")
    print("</svg>")


main()
