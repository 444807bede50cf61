use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;

use super::*;

/// The key and the token of RFC 7515, appendix A.3.
const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
const HEADER: &str = "eyJhbGciOiJFUzI1NiJ9";
const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const SIGNATURE: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// The key of RFC 8037, appendix A.
const ED: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// Just before the token of RFC 7515 expires.
const THEN: u64 = 1_300_819_379;

fn set(keys: &[&str]) -> Result<Keys, String> {
    Keys::parse(format!("{{\"keys\":[{}]}}", keys.join(",")).as_bytes())
}

fn jwt(keys: &[&str]) -> Jwt {
    let known = KeySet::of_url();
    known.put(Arc::new(set(keys).unwrap()));
    Jwt {
        from: KeyFrom::Query("token".to_owned()),
        keys: Arc::new(known),
        algorithms: Algorithm::ALL.into_iter().collect(),
        rules: Rules::default(),
        claims: vec![(HeaderName::from_static("x-issuer"), Claim("iss".to_owned()))],
    }
}

fn judge(jwt: &Jwt, token: &str) -> Result<Rc<Object>, Refusal> {
    jwt.judge(token.as_bytes(), THEN, &Remembered::default(), 0)
}

fn encoded(text: &str) -> String {
    BASE64URL_NOPAD.encode(text.as_bytes())
}

#[test]
fn the_tokens_of_the_rfcs_are_verified() {
    let ours = jwt(&[EC, ED]);
    let claims = judge(&ours, &format!("{HEADER}.{CLAIMS}.{SIGNATURE}")).unwrap();
    assert_eq!(ours.fields(&claims), [(HeaderName::from_static("x-issuer"), HeaderValue::from_static("joe"))]);
    // its payload is no object, which is looked at when the signature is right
    let signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(judge(&ours, &format!("{signed}{signature}")), Err(Refusal::Malformed));
    assert_eq!(judge(&ours, &format!("{signed}i{}", &signature[1..])), Err(Refusal::Signature));
}

#[test]
fn a_token_has_one_spelling() {
    let ours = jwt(&[EC]);
    let good = format!("{HEADER}.{CLAIMS}.{SIGNATURE}");
    for bad in [
        String::new(),
        "..".to_owned(),
        good.replace('.', ""),
        format!("{good}."),
        format!("{good}=="),
        format!(" {good}"),
        format!("{good} "),
        format!("{HEADER}=.{CLAIMS}.{SIGNATURE}"),
        format!("{HEADER}.{CLAIMS}"),
        format!(".{CLAIMS}.{SIGNATURE}"),
        format!("{HEADER}.{CLAIMS}.{SIGNATURE}.{SIGNATURE}"),
        // bits behind the last byte that are not zero
        format!("{HEADER}.{CLAIMS}.{}R", &SIGNATURE[..SIGNATURE.len() - 1]),
        // the other alphabet
        format!("{HEADER}.{CLAIMS}.{}", SIGNATURE.replace('-', "+")),
        format!("{}.{CLAIMS}.{SIGNATURE}", encoded("[]")),
        format!("{}.{CLAIMS}.{SIGNATURE}", encoded("{\"alg\":\"none\",\"alg\":\"ES256\"}")),
        format!("{}.{CLAIMS}.{SIGNATURE}", encoded("{\"alg\":[\"ES256\"]}")),
        format!("{}.{CLAIMS}.{SIGNATURE}", encoded("{\"alg\":\"ES256\",\"kid\":1}")),
        format!("{}.{CLAIMS}.{SIGNATURE}", encoded("{}")),
    ] {
        assert_eq!(judge(&ours, &bad), Err(Refusal::Malformed), "{bad}");
    }
    for (bad, refusal) in [
        (format!("{HEADER}.{CLAIMS}."), Refusal::Signature),
        (format!("{HEADER}..{SIGNATURE}"), Refusal::Signature),
        (format!("{HEADER}.{CLAIMS}.{}", "A".repeat(86)), Refusal::Signature),
        (format!("{HEADER}.{CLAIMS}.{}", &SIGNATURE[..84]), Refusal::Signature),
        (format!("{}.{CLAIMS}.{SIGNATURE}", encoded("{\"alg\":\"ES256\"}\n")), Refusal::Signature),
        (format!("{}.{CLAIMS}.{SIGNATURE}", encoded("{\"alg\":\"es256\"}")), Refusal::Algorithm),
        (format!("{}.{CLAIMS}.", encoded("{\"alg\":\"none\"}")), Refusal::Algorithm),
        (format!("{}.{CLAIMS}.{SIGNATURE}", encoded("{\"alg\":\"HS256\"}")), Refusal::Algorithm),
        (format!("{}.{CLAIMS}.{SIGNATURE}", encoded("{\"alg\":\"RS256\"}")), Refusal::UnknownKey),
        (format!("{}.{CLAIMS}.{SIGNATURE}", encoded("{\"alg\":\"ES256\",\"kid\":\"x\"}")), Refusal::UnknownKey),
        (format!("{}.{CLAIMS}.{SIGNATURE}", encoded("{\"alg\":\"ES256\",\"crit\":[\"exp\"]}")), Refusal::Critical),
        (format!("{}.{CLAIMS}.{SIGNATURE}", encoded("{\"alg\":\"ES256\",\"crit\":[]}")), Refusal::Critical),
        ("A".repeat(LONGEST + 1), Refusal::TooLong),
    ] {
        assert_eq!(judge(&ours, &bad), Err(refusal), "{bad}");
    }
}

#[test]
fn a_token_that_is_remembered_is_not_taken_apart_again_and_what_it_says_is_looked_at() {
    let (ours, remembered) = (jwt(&[EC]), Remembered::default());
    let token = format!("{HEADER}.{CLAIMS}.{SIGNATURE}");
    let at = |unix, jwt: &Jwt| jwt.judge(token.as_bytes(), unix, &remembered, 0);
    let first = at(THEN, &ours).unwrap();
    assert!(Rc::ptr_eq(&first, &at(THEN, &ours).unwrap()), "what it says was kept");
    let id = remembered.key(TOKENS, token.as_bytes(), &ours.keys.in_force().identity_with(ours.algorithms));
    assert!(remembered.token(&id, 0).is_some() && remembered.token(&id, 1).is_none(), "not beyond its time");
    assert_eq!(at(THEN + 1, &ours), Err(Refusal::Expired));
    let strict = Jwt { rules: Rules { issuer: Some("ann".to_owned()), ..Rules::default() }, ..jwt(&[EC]) };
    assert_eq!(at(THEN, &strict), Err(Refusal::Issuer));
    let others = Jwt { algorithms: [Algorithm::Rs256].into_iter().collect(), ..jwt(&[EC]) };
    assert_eq!(at(THEN, &others), Err(Refusal::Algorithm), "another route takes other algorithms");
    ours.keys.put(Arc::new(set(&[ED]).unwrap()));
    assert_eq!(at(THEN, &ours), Err(Refusal::UnknownKey), "the key is gone");
}

#[test]
fn sets_of_keys_are_told_apart_by_all_that_decides_what_they_verify() {
    let with = |key: &str, more: &str| key.replacen('{', &format!("{{{more},"), 1);
    let all = [
        vec![EC.to_owned()],
        vec![ED.to_owned()],
        vec![EC.to_owned(), ED.to_owned()],
        vec![ED.to_owned(), EC.to_owned()],
        vec![with(EC, "\"kid\":\"a\"")],
        vec![with(EC, "\"kid\":\"b\"")],
        vec![ED.replace("\"ed\"", "\"de\"")],
    ];
    let identity = |keys: &[String]| {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        set(&keys).unwrap().identity_with(Algorithms::default())
    };
    for (at, keys) in all.iter().enumerate() {
        assert_eq!(identity(keys), identity(keys));
        assert!(all[at + 1..].iter().all(|other| identity(other) != identity(keys)), "{keys:?}");
    }
}

#[test]
fn keys_that_tokens_can_t_be_verified_with_are_left_out() {
    let with = |key: &str, more: &str| key.replacen('{', &format!("{{{more},"), 1);
    assert_eq!(set(&[EC, ED, "{\"kty\":\"new\"}"]).unwrap().len(), 2);
    for (key, why) in [
        (r#"{"kty":"oct","k":"AAAA"}"#.to_owned(), "shared secret"),
        (with(EC, "\"use\":\"enc\""), "not for signatures"),
        (with(EC, "\"key_ops\":[\"sign\"]"), "not for verifying"),
        (with(EC, "\"alg\":\"ES384\""), "does not fit"),
        (with(EC, "\"alg\":\"HS256\""), "does not fit"),
        (with(EC, "\"kid\":7"), "no string"),
        (EC.replace("P-256", "P-384"), "no point"),
        (EC.replace("P-256", "P-521"), "another kind"),
        (EC.replace("f83", "f84"), "no point"),
        (EC.replace("\"x_FE", "\"AAx_FE"), "no point"),
        (ED.replace("Ro", "RoAA"), "no point"),
        (r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#.to_owned(), "2048"),
        (format!(r#"{{"kty":"RSA","n":"{}","e":"AQ"}}"#, BASE64URL_NOPAD.encode(&[255; 256])), "2048"),
        ("1".to_owned(), "no object"),
    ] {
        let reason = set(&[&key]).unwrap_err();
        assert!(reason.contains(why) || why == "no point" && reason.contains("not a point"), "{key}: {reason}");
    }
    for bad in ["", "[]", "{}", "{\"keys\":[]}", "{\"keys\":{}}", "{\"keys\":[],\"keys\":[]}"] {
        assert!(Keys::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn of_ten_thousand_keys_a_few_are_tried() {
    let key = |number: u32, name: &str| {
        let x = [&number.to_le_bytes()[..], &[7; 28]].concat();
        format!(r#"{{"kty":"OKP","crv":"Ed25519"{name},"x":"{}"}}"#, BASE64URL_NOPAD.encode(&x))
    };
    let named: Vec<String> = (0..10_000).map(|number| key(number, &format!(",\"kid\":\"{number}\""))).collect();
    let named = set(&named.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    assert_eq!(named.len(), 10_000);
    assert_eq!(named.candidates(Some("9999"), Algorithm::EdDsa).count(), 1);
    assert_eq!(named.candidates(Some("10000"), Algorithm::EdDsa).count(), 0);
    assert_eq!(named.candidates(None, Algorithm::EdDsa).count(), 4);
    assert_eq!(named.candidates(Some("9999"), Algorithm::Es256).count(), 0);
    let same: Vec<String> = (0..100).map(|number| key(number, ",\"kid\":\"a\"")).collect();
    let same = set(&same.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    assert_eq!(same.candidates(Some("a"), Algorithm::EdDsa).count(), 4);
    let large = format!("{{\"keys\":[{EC}],\"x\":\"{}\"}}", "a".repeat(LARGEST));
    assert!(Keys::parse(large.as_bytes()).unwrap_err().contains("larger than 1 MiB"));
}
