//! What a token says, and what it has to say.

use http::header::HeaderValue;
use serde_json::Value;

use super::Refusal;
use super::json::Object;

/// One claim: by its name, or by a JSON Pointer (RFC 6901), which begins with `/`, into claims that are objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim(pub String);

/// What a token has to say.
#[derive(Debug, Default)]
pub struct Rules {
    /// Who must have issued it; `None` = whoever has the keys.
    pub issuer: Option<String>,
    /// For whom it must be, one of these; empty = for anybody.
    pub audience: Vec<String>,
    /// How far clocks may be apart, in seconds.
    pub leeway: u64,
    /// It may have no `exp`.
    pub may_last_for_ever: bool,
    /// Claims that must have a value, or have it among theirs.
    pub require: Vec<(Claim, String)>,
}

impl Claim {
    fn of<'o>(&self, claims: &'o Object) -> Option<&'o Value> {
        find(&self.0, claims)
    }

    /// The value of the claim with this name, as it is counted by: text as it stands, whatever else as JSON has it. `None` = the token says nothing there.
    pub fn value_of(name: &str, claims: &Object) -> Option<String> {
        match find(name, claims)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// Whether it has this value, or it is a list that has it. The words of `scope` are such a list (RFC 8693, section 4.2).
    fn has(&self, claims: &Object, wanted: &str) -> bool {
        match self.of(claims) {
            Some(Value::String(words)) if self.0 == "scope" => words.split(' ').any(|word| word == wanted),
            Some(Value::Array(all)) => all.iter().any(|one| text(one).is_some_and(|text| text == wanted)),
            Some(one) => text(one).is_some_and(|text| text == wanted),
            None => false,
        }
    }

    /// Its value as that of a field. Lists are written with commas. `None` where a backend could read something else than it says: for objects, for texts with
    /// commas (which would be lists), for control characters, for white space around it, and for numbers that are not known exactly.
    pub(super) fn field(&self, claims: &Object) -> Option<HeaderValue> {
        let value = match self.of(claims)? {
            Value::Array(all) => {
                let items: Option<Vec<String>> = all.iter().map(clear_text).collect();
                items?.join(",")
            }
            one => clear_text(one)?,
        };
        HeaderValue::from_bytes(value.as_bytes()).ok().filter(|value| !value.is_empty())
    }
}

/// The claim with this name, or at this place.
fn find<'o>(name: &str, claims: &'o Object) -> Option<&'o Value> {
    let Some(path) = name.strip_prefix('/') else { return claims.get(name) };
    let mut parts = path.split('/').map(|part| part.replace("~1", "/").replace("~0", "~"));
    let first = claims.get(&parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

/// A claim of one value in words, where these say exactly that. A number with a fraction or an exponent, and one beyond 64 bits, was rounded when it was read: two
/// that differ could be told as one.
fn clear_text(value: &Value) -> Option<String> {
    if matches!(value, Value::Number(number) if number.is_f64()) {
        return None;
    }
    text(value).filter(|text| !is_unclear(text))
}

fn is_unclear(text: &str) -> bool {
    text.trim() != text || text.is_empty() || text.contains(|one: char| one == ',' || one.is_control())
}

/// A claim of one value in words.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Rules {
    /// Judges the claims of a token whose signature is right, at this second since 1970. Returns the second at which it expires.
    pub(super) fn check(&self, claims: &Object, now: u64) -> Result<Option<f64>, Refusal> {
        let (now, leeway) = (now as f64, self.leeway as f64);
        let expires = date(claims, "exp")?;
        match expires {
            // on that second it is over (RFC 7519, section 4.1.4)
            Some(at) if now >= at + leeway => return Err(Refusal::Expired),
            None if !self.may_last_for_ever => return Err(Refusal::NoExpiry),
            _ => {}
        }
        for name in ["nbf", "iat"] {
            if date(claims, name)?.is_some_and(|at| now + leeway < at) {
                return Err(Refusal::NotYetValid);
            }
        }
        let issuer = claims.get("iss").and_then(Value::as_str);
        if self.issuer.is_some() && self.issuer.as_deref() != issuer {
            return Err(Refusal::Issuer);
        }
        let is_for = |value: &Value| value.as_str().is_some_and(|name| self.audience.iter().any(|ours| ours == name));
        let is_ours = match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().any(is_for),
            Some(one) => is_for(one),
            None => false,
        };
        if !self.audience.is_empty() && !is_ours {
            return Err(Refusal::Audience);
        }
        match self.require.iter().all(|(claim, wanted)| claim.has(claims, wanted)) {
            true => Ok(expires),
            false => Err(Refusal::Claims),
        }
    }
}

/// A NumericDate (RFC 7519, section 2): seconds, maybe with a fraction.
fn date(claims: &Object, name: &str) -> Result<Option<f64>, Refusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    value.as_f64().map(Some).ok_or(Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn object(value: Value) -> Object {
        match value {
            Value::Object(object) => object,
            _ => unreachable!(),
        }
    }

    fn check(rules: &Rules, claims: Value) -> Result<(), Refusal> {
        rules.check(&object(claims), NOW).map(drop)
    }

    #[test]
    fn times_hold_to_the_second_with_their_leeway() {
        let rules = Rules { leeway: 30, ..Rules::default() };
        for (claims, result) in [
            (json!({"exp": NOW + 1}), Ok(())),
            (json!({"exp": NOW - 29}), Ok(())),
            (json!({"exp": NOW - 30}), Err(Refusal::Expired)),
            (json!({"exp": 0}), Err(Refusal::Expired)),
            (json!({"exp": -1}), Err(Refusal::Expired)),
            (json!({"exp": NOW as f64 - 29.5}), Ok(())),
            (json!({"exp": NOW.to_string()}), Err(Refusal::Malformed)),
            (json!({"exp": null}), Err(Refusal::Malformed)),
            (json!({"exp": [NOW + 1]}), Err(Refusal::Malformed)),
            (json!({}), Err(Refusal::NoExpiry)),
            (json!({"exp": 1e300, "nbf": NOW + 30}), Ok(())),
            (json!({"exp": 1e300, "nbf": NOW + 31}), Err(Refusal::NotYetValid)),
            (json!({"exp": 1e300, "iat": NOW + 31}), Err(Refusal::NotYetValid)),
            (json!({"exp": 1e300, "nbf": "0"}), Err(Refusal::Malformed)),
        ] {
            assert_eq!(check(&rules, claims.clone()), result, "{claims}");
        }
        assert_eq!(check(&Rules { may_last_for_ever: true, ..Rules::default() }, json!({})), Ok(()));
    }

    #[test]
    fn issuer_and_audience_are_compared_as_they_stand() {
        let rules = Rules { issuer: Some("https://idp".into()), audience: vec!["api".into()], ..Rules::default() };
        for (iss, aud, result) in [
            (json!("https://idp"), json!("api"), Ok(())),
            (json!("https://idp"), json!(["other", "api"]), Ok(())),
            (json!("https://idp/"), json!("api"), Err(Refusal::Issuer)),
            (json!("HTTPS://idp"), json!("api"), Err(Refusal::Issuer)),
            (json!(["https://idp"]), json!("api"), Err(Refusal::Issuer)),
            (json!(null), json!("api"), Err(Refusal::Issuer)),
            (json!("https://idp"), json!("API"), Err(Refusal::Audience)),
            (json!("https://idp"), json!("api other"), Err(Refusal::Audience)),
            (json!("https://idp"), json!({"api": 1}), Err(Refusal::Audience)),
            (json!("https://idp"), json!([["api"]]), Err(Refusal::Audience)),
            (json!("https://idp"), json!([]), Err(Refusal::Audience)),
        ] {
            assert_eq!(check(&rules, json!({"exp": NOW + 9, "iss": iss, "aud": aud})), result, "{iss} {aud}");
        }
        assert_eq!(check(&rules, json!({"exp": NOW + 9, "iss": "https://idp"})), Err(Refusal::Audience));
    }

    #[test]
    fn what_a_claim_is_counted_by_is_what_the_token_says() {
        let claims = object(json!({"sub": "ann", "n": 7, "all": ["a", "b"], "none": null, "realm": {"team": "x"}}));
        let counted = |claim: &str| Claim::value_of(claim, &claims);
        assert_eq!(counted("sub").as_deref(), Some("ann"));
        assert_eq!(counted("n").as_deref(), Some("7"));
        assert_eq!(counted("all").as_deref(), Some("[\"a\",\"b\"]"));
        assert_eq!(counted("/realm/team").as_deref(), Some("x"));
        assert_eq!((counted("none"), counted("missing")), (None, None));
    }

    #[test]
    fn required_claims_have_the_value_or_a_list_with_it() {
        let has = |claim: &str, claims: Value| Claim(claim.to_owned()).has(&object(claims), "admin");
        for (claim, claims) in [
            ("role", json!({"role": "admin"})),
            ("role", json!({"role": ["user", "admin"]})),
            ("scope", json!({"scope": "read admin"})),
            ("/realm_access/roles", json!({"realm_access": {"roles": ["admin"]}})),
            ("/a~1b", json!({"a/b": "admin"})),
        ] {
            assert!(has(claim, claims.clone()), "{claim} {claims}");
        }
        for (claim, claims) in [
            ("role", json!({"role": "administrator"})),
            ("role", json!({"role": "read admin"})),
            ("role", json!({"role": {"admin": true}})),
            ("role", json!({"Role": "admin"})),
            ("scope", json!({"scope": "read,admin"})),
            ("/realm_access/roles", json!({"/realm_access/roles": "admin"})),
            ("realm_access.roles", json!({"realm_access": {"roles": "admin"}})),
        ] {
            assert!(!has(claim, claims.clone()), "{claim} {claims}");
        }
    }

    #[test]
    fn a_field_says_what_the_claim_says_or_is_not_there() {
        let field = |value: Value| {
            let field = Claim("c".into()).field(&object(json!({ "c": value })));
            field.map(|value| String::from_utf8(value.as_bytes().to_vec()).unwrap())
        };
        for (value, written) in [
            (json!("ann"), Some("ann")),
            (json!("Jörg"), Some("Jörg")),
            (json!(7), Some("7")),
            (json!(true), Some("true")),
            (json!(["a", "b", 3]), Some("a,b,3")),
            (json!([]), None),
            (json!(["a,b"]), None),
            (json!("a,b"), None),
            (json!("a\tb"), None),
            (json!(["a", "b\u{85}"]), None),
            (json!(u64::MAX), Some("18446744073709551615")),
            (json!(i64::MIN), Some("-9223372036854775808")),
            (json!(1.5), None),
            // 18446744073709551616 and 18446744073709551617 are both read as this
            (json!(18446744073709551616.0), None),
            (json!(["a", 1e30]), None),
            (json!(["a", " b"]), None),
            (json!(" admin"), None),
            (json!("admin\t"), None),
            (json!("admin\u{a0}"), None),
            (json!(""), None),
            (json!("a\r\nX-Role: admin"), None),
            (json!("a\0"), None),
            (json!({"a": 1}), None),
            (json!(null), None),
        ] {
            assert_eq!(field(value.clone()).as_deref(), written, "{value}");
        }
    }
}
