//! Public keys (RFC 7517) that tokens are verified with.
//!
//! A key says by its kind, and by its `alg` where it has one, what it may be used with. What a token says of that is compared with it and never replaces it: so
//! nobody can have a public key of RSA taken for the secret of an HMAC.

use std::fmt;

use ahash::AHashMap;
use aws_lc_rs::digest::{self, Context, SHA256};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RsaPublicKeyComponents,
    VerificationAlgorithm,
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use super::algorithm::{Algorithm, Algorithms, Family};
use super::json::{self, Object};

/// The largest set of keys that is read, in bytes: 2,500 keys of RSA. Identity providers have a handful.
pub const LARGEST: usize = 1 << 20;
/// The most keys that are tried for a token.
const MOST_TRIED: usize = 4;
/// The shortest and the longest modulus of RSA, in bits: what is verified with is no shorter, and no longer.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A set of keys.
#[derive(Debug, Default)]
pub struct Keys {
    all: Vec<Key>,
    /// Where those with a name are.
    by_name: AHashMap<Box<str>, Vec<usize>>,
    /// The first few of each algorithm, for tokens that name no key.
    by_algorithm: [Vec<usize>; Algorithm::ALL.len()],
    /// SHA-256 of all that decides which tokens they verify, so that two sets are told apart.
    identity: [u8; 32],
}

/// One key.
pub(super) struct Key {
    material: Material,
    algorithms: Algorithms,
    /// SHA-256 of what it is, so that two keys are told apart.
    pub(super) fingerprint: [u8; 32],
}

enum Material {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// Of an elliptic curve.
    Point(ParsedPublicKey),
}

impl Keys {
    /// Reads a JWK set. Keys that are for something else, or of a kind that is not known, are left out (RFC 7517, section 5).
    ///
    /// # Errors
    ///
    /// Why there is not one key in it, for people.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() > LARGEST {
            return Err(format!("it is larger than {} MiB", LARGEST >> 20));
        }
        let set = json::object(text).ok_or("it is not JSON, or a member is there twice")?;
        let Some(Value::Array(members)) = set.get("keys") else {
            return Err("it has no list `keys` (RFC 7517, section 5)".to_owned());
        };
        let mut keys = Self::default();
        let mut why = "it is empty";
        for member in members {
            let read = member.as_object().ok_or("a key is no object").and_then(|jwk| Ok((name(jwk)?, Key::read(jwk)?)));
            match read {
                Ok((name, key)) => keys.add(name, key),
                Err(reason) => why = reason,
            }
        }
        keys.identity = keys.digest();
        match keys.all.is_empty() {
            true => Err(format!("none of its {} keys can be used: {why}", members.len())),
            false => Ok(keys),
        }
    }

    fn digest(&self) -> [u8; 32] {
        let mut names = vec![Vec::new(); self.all.len()];
        for (name, places) in &self.by_name {
            places.iter().for_each(|at| names[*at] = name.as_bytes().to_vec());
        }
        let mut context = Context::new(&SHA256);
        for (key, name) in self.all.iter().zip(names) {
            context.update(&key.fingerprint);
            context.update(&key.algorithms.bits());
            // with its length, so that no two sets make the same text
            context.update(&(name.len() as u64).to_le_bytes());
            context.update(&name);
        }
        let mut identity = [0; 32];
        identity.copy_from_slice(context.finish().as_ref());
        identity
    }

    /// What a token is remembered against: this set, and the algorithms that are taken. A token that one of them has verified is verified by the same ones again.
    pub(super) fn identity_with(&self, algorithms: Algorithms) -> [u8; 34] {
        let mut identity = [0; 34];
        identity[..32].copy_from_slice(&self.identity);
        identity[32..].copy_from_slice(&algorithms.bits());
        identity
    }

    fn add(&mut self, name: Option<&str>, key: Key) {
        let at = self.all.len();
        for algorithm in Algorithm::ALL.into_iter().filter(|one| key.algorithms.contains(*one)) {
            let first = &mut self.by_algorithm[algorithm as usize];
            if first.len() < MOST_TRIED {
                first.push(at);
            }
        }
        if let Some(name) = name {
            let same = self.by_name.entry(name.into()).or_default();
            if same.len() < MOST_TRIED {
                same.push(at);
            }
        }
        self.all.push(key);
    }

    /// The keys that a token of this algorithm, which names this key, may be signed with: a few at most.
    pub(super) fn candidates(&self, name: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &Key> {
        let places = match name {
            Some(name) => self.by_name.get(name),
            None => Some(&self.by_algorithm[algorithm as usize]),
        };
        let keys = places.into_iter().flatten().map(|at| &self.all[*at]);
        keys.filter(move |key| key.algorithms.contains(algorithm))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether none are known.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether they are the same keys, in the same order.
    pub fn are(&self, others: &Self) -> bool {
        self.all.iter().map(|key| key.fingerprint).eq(others.all.iter().map(|key| key.fingerprint))
    }
}

/// What the key is called.
fn name(jwk: &Object) -> Result<Option<&str>, &'static str> {
    match jwk.get("kid") {
        None => Ok(None),
        Some(Value::String(name)) => Ok(Some(name)),
        Some(_) => Err("a `kid` is no string"),
    }
}

impl Key {
    fn read(jwk: &Object) -> Result<Self, &'static str> {
        let text = |member: &str| jwk.get(member).and_then(Value::as_str);
        if jwk.get("use").is_some() && text("use") != Some("sig") {
            return Err("a key is not for signatures");
        }
        if let Some(operations) = jwk.get("key_ops") {
            let verifies = operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"));
            verifies.then_some(()).ok_or("a key is not for verifying")?;
        }
        let (family, algorithm): (_, Option<&'static dyn VerificationAlgorithm>) = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => (Family::Rsa, None),
            (Some("EC"), Some("P-256")) => (Family::P256, Some(&ECDSA_P256_SHA256_FIXED)),
            (Some("EC"), Some("P-384")) => (Family::P384, Some(&ECDSA_P384_SHA384_FIXED)),
            (Some("OKP"), Some("Ed25519")) => (Family::Ed25519, Some(&ED25519)),
            (Some("oct"), _) => return Err("a key is a shared secret, with which whoever verifies could sign"),
            _ => return Err("a key is of another kind than RSA, EC with P-256 or P-384, and OKP with Ed25519"),
        };
        let fits = Algorithms::of(family);
        let algorithms = match jwk.get("alg") {
            None => fits,
            Some(alg) => {
                let alg = alg.as_str().and_then(Algorithm::parse).filter(|alg| fits.contains(*alg));
                [alg.ok_or("a key's `alg` is unknown, or does not fit its kind")?].into_iter().collect()
            }
        };
        let bytes = |member: &str| BASE64URL_NOPAD.decode(text(member)?.as_bytes()).ok();
        let (material, content) = match algorithm {
            None => rsa(bytes("n"), bytes("e"))?,
            Some(algorithm) => point(family, algorithm, bytes("x"), bytes("y"))?,
        };
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest::digest(&SHA256, &content).as_ref());
        Ok(Self { material, algorithms, fingerprint })
    }

    /// Whether the signature of this message by this algorithm is by this key.
    pub(super) fn has_signed(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        // looked at here as well, so that no caller can take a key for another kind
        if !self.algorithms.contains(algorithm) {
            return false;
        }
        match &self.material {
            Material::Rsa(key) => {
                algorithm.rsa().is_some_and(|parameters| key.verify(parameters, message, signature).is_ok())
            }
            Material::Point(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

/// A key of RSA, and what tells it from others.
fn rsa(modulus: Option<Vec<u8>>, exponent: Option<Vec<u8>>) -> Result<(Material, Vec<u8>), &'static str> {
    // without zeros in front, which some issuers write
    let number = |bytes: Vec<u8>| bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
    let (n, e) = (number(modulus.unwrap_or_default()), number(exponent.unwrap_or_default()));
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    let is_odd = |bytes: &[u8]| bytes.last().is_some_and(|last| last & 1 == 1);
    // an exponent of 1 takes every signature
    let is_exponent = is_odd(&e) && e.len() <= 4 && e != [1];
    if !RSA_BITS.contains(&bits) || !is_odd(&n) || !is_exponent {
        return Err("a key of RSA is not one of 2048 to 8192 bits");
    }
    let content = [b"rsa:", &e[..], b":", &n].concat();
    Ok((Material::Rsa(RsaPublicKeyComponents { n, e }), content))
}

/// A key of an elliptic curve, and what tells it from others.
fn point(
    family: Family,
    algorithm: &'static dyn VerificationAlgorithm,
    x: Option<Vec<u8>>,
    y: Option<Vec<u8>>,
) -> Result<(Material, Vec<u8>), &'static str> {
    const WRONG: &str = "a key is not a point of its curve";
    let (x, y) = (x.ok_or(WRONG)?, y.unwrap_or_default());
    // RFC 7518, section 6.2.1.2: coordinates have the length of the curve's
    let (prefix, lengths): (&[u8], _) = match family {
        Family::P256 => (&[4], (32, 32)),
        Family::P384 => (&[4], (48, 48)),
        Family::Ed25519 => (&[], (32, 0)),
        Family::Rsa => return Err(WRONG),
    };
    if (x.len(), y.len()) != lengths {
        return Err(WRONG);
    }
    let bytes = [prefix, &x, &y].concat();
    let key = ParsedPublicKey::new(algorithm, &bytes).map_err(|_| WRONG)?;
    // the three kinds have bytes of different lengths
    Ok((Material::Point(key), bytes))
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithms", &self.algorithms).finish_non_exhaustive()
    }
}
