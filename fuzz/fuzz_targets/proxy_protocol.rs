//! Any bytes as the first of a connection that must have a PROXY header: no panic, the same length however they arrive, and
//! what was taken can be said again.

#![no_main]

use evenkeel::layer4::proxy_protocol::decode::{decode, length};
use evenkeel::layer4::proxy_protocol::encode::encode;
use evenkeel::layer4::proxy_protocol::{MAX_LINE, MAX_PAYLOAD, Refused, Tlvs, Version, tlv};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = length(bytes);
    // what is known of a part holds for the whole, but that more may show what is wrong
    for cut in (0..bytes.len()).take(160) {
        match length(&bytes[..cut]) {
            Ok(Some(told)) => assert_eq!(whole, Ok(Some(told))),
            Ok(None) => {}
            Err(_) => assert!(whole.is_err(), "refused, and then not"),
        }
    }
    let Ok(Some(length)) = whole else { return };
    assert!(length <= 16 + MAX_PAYLOAD);
    let Some(header) = bytes.get(..length) else {
        assert_eq!(decode(bytes), Err(Refused::Truncated));
        return;
    };
    let Ok(read) = decode(header) else { return };
    check(&read.tlvs);
    assert!(read.version == Version::V2 || length <= MAX_LINE);
    let again = decode(&encode(&read)).expect("what was taken can be said again");
    assert_eq!((again.version, &again.tlvs), (read.version, &read.tlvs));
    assert_eq!(again.endpoints.source().map(|a| a.port()), read.endpoints.source().map(|a| a.port()));
});

fn check(tlvs: &Tlvs) {
    assert_eq!(tlvs.as_bytes().len(), tlvs.iter().map(|(_, value)| 3 + value.len()).sum::<usize>());
    assert!(tlvs.unique_id().is_none_or(|id| id.len() <= tlv::MAX_UNIQUE_ID));
    let ssl = tlvs.ssl();
    assert_eq!(ssl.is_some(), tlvs.get(tlv::SSL).is_some());
    if let Some(ssl) = ssl {
        let _ = (ssl.version(), ssl.cipher(), ssl.common_name(), ssl.is_verified());
    }
    let _ = (tlvs.authority(), tlvs.netns(), format!("{tlvs:?}"));
}
