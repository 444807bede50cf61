//! Characters that look like others, and ones that can't be seen: what word processors and keyboards of other languages write.

use super::probe::is_toml;

/// The character, and what is meant by it.
const ALIKE: [(char, &str); 24] = [
    ('\u{201c}', "\""),
    ('\u{201d}', "\""),
    ('\u{201e}', "\""),
    ('\u{ab}', "\""),
    ('\u{bb}', "\""),
    ('\u{ff02}', "\""),
    ('\u{2018}', "'"),
    ('\u{2019}', "'"),
    ('\u{201a}', "'"),
    ('\u{a0}', " "),
    ('\u{2007}', " "),
    ('\u{202f}', " "),
    ('\u{3000}', " "),
    ('\u{200b}', ""),
    ('\u{200c}', ""),
    ('\u{200d}', ""),
    ('\u{2060}', ""),
    ('\u{feff}', ""),
    ('\u{ff1d}', "="),
    ('\u{ff1a}', "="),
    ('\u{ff0c}', ","),
    ('\u{3001}', ","),
    ('\u{ff3b}', "["),
    ('\u{ff3d}', "]"),
];

/// The line with plain characters, where it is TOML then.
pub(super) fn mend(code: &str) -> Option<(String, &'static str)> {
    let plain = |c: char| ALIKE.iter().find(|(alike, _)| *alike == c).map(|(_, plain)| *plain);
    let first = code.chars().find_map(plain)?;
    let mended: String = code.chars().map(|c| plain(c).map_or_else(|| c.to_string(), str::to_owned)).collect();
    let help = match first {
        "\"" | "'" => "quotes are straight ones: `\"` or `'`",
        "" | " " => "there is a character in it that looks like a space, or like nothing",
        _ => "there is a character in it that only looks like the right one",
    };
    is_toml(&mended).then_some((mended.trim().to_owned(), help))
}
