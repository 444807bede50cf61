//! Chunk extensions, which are checked and dropped: RFC 9112, section 7.1.1.

/// Whether this may follow a chunk's size: `*( ";" chunk-ext-name [ "=" chunk-ext-val ] )`, where a value is a token or a quoted
/// string (RFC 9110, section 5.6.4).
///
/// The "bad" white space that the grammar allows around `;` and `=` is refused. Nobody sends it; llhttp refuses it, and so does
/// h11 before the first `;`. White space that one program skips and another does not is how two programs come to see different
/// chunks.
pub fn are_well_formed(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        match rest.strip_prefix(b";").and_then(token).and_then(value) {
            Some(more) => rest = more,
            None => return false,
        }
    }
    true
}

/// The rest of the text after a token; `None` when there is no token.
fn token(text: &[u8]) -> Option<&[u8]> {
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let length = text.iter().take_while(|b| is_token(b)).count();
    (length > 0).then(|| &text[length..])
}

/// The rest of the text after `=` and a value, if it begins with these.
fn value(text: &[u8]) -> Option<&[u8]> {
    match text {
        [b'=', b'"', rest @ ..] => quoted(rest),
        [b'=', rest @ ..] => token(rest),
        _ => Some(text),
    }
}

/// The rest of the text after the closing quote; `None` when that is missing, or the string contains a control character.
fn quoted(mut text: &[u8]) -> Option<&[u8]> {
    let is_allowed = |b: u8| b == b'\t' || (b >= b' ' && b != 0x7f);
    loop {
        text = match *text {
            [b'"', ref rest @ ..] => return Some(rest),
            [b'\\', escaped, ref rest @ ..] if is_allowed(escaped) => rest,
            [b'\\', ..] => return None,
            [b, ref rest @ ..] if is_allowed(b) => rest,
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::are_well_formed;

    #[test]
    fn extensions_are_names_with_or_without_a_value() {
        for good in [
            &b""[..],
            b";a",
            b";a=b",
            b";a;b=c;d",
            b";a=\"\"",
            b";a=\"b;c = d\"",
            b";a=\"\\\"\";b",
            b";a=\"\xc3\xa9\t\"",
        ] {
            assert!(are_well_formed(good), "{:?}", good.escape_ascii().to_string());
        }
        for bad in [
            &b";"[..],
            b";a;",
            b";;a",
            b";a=",
            b";=b",
            b";bad[=x",
            b";a=\x80",
            b";a=b c",
            b";a=\"b",
            b";a=\"b\\",
            b";a=\"b\\\"",
            b";a=\"b\"c",
            b";a=\"\x01\"",
            b";a=\"\\\x01\"",
            b" ;a",
            b"; a",
            b";a =b",
            b";a= b",
            b";a ",
            b" ",
            b"x",
        ] {
            assert!(!are_well_formed(bad), "{:?}", bad.escape_ascii().to_string());
        }
    }
}
