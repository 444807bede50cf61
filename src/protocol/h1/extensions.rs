//! Chunk extensions, which are verified and dropped: RFC 9112, section 7.1.1.

/// Whether this is what may follow a chunk's size: `*( ";" chunk-ext-name [ "=" chunk-ext-val ] )`, of which a value is a token or
/// a quoted string (RFC 9110, section 5.6.4).
///
/// The "bad" white space that the grammar has around `;` and `=` is refused. Nobody sends it; llhttp refuses it, h11 does before
/// the first `;`; and what one program skips and another one doesn't is how they come to see different chunks.
pub fn are_well_formed(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        match rest.strip_prefix(b";").and_then(token).and_then(value) {
            Some(more) => rest = more,
            None => return false,
        }
    }
    true
}

/// What follows a token; `None` = there is none.
fn token(text: &[u8]) -> Option<&[u8]> {
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let length = text.iter().take_while(|b| is_token(b)).count();
    (length > 0).then(|| &text[length..])
}

/// What follows `=` and a value, if they are there.
fn value(text: &[u8]) -> Option<&[u8]> {
    match text {
        [b'=', b'"', rest @ ..] => quoted(rest),
        [b'=', rest @ ..] => token(rest),
        _ => Some(text),
    }
}

/// What follows the quote at a string's end; `None` = it has none, or holds a control character.
fn quoted(mut text: &[u8]) -> Option<&[u8]> {
    let may_stand = |b: u8| b == b'\t' || (b >= b' ' && b != 0x7f);
    loop {
        text = match *text {
            [b'"', ref rest @ ..] => return Some(rest),
            [b'\\', escaped, ref rest @ ..] if may_stand(escaped) => rest,
            [b'\\', ..] => return None,
            [b, ref rest @ ..] if may_stand(b) => rest,
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
