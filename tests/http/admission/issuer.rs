//! Whoever issues tokens: keys of each kind, and tokens that are signed with them, whatever they say.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

pub struct Issuer {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Issuer {
    pub fn new() -> Self {
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            ed: Ed25519KeyPair::generate().unwrap(),
        }
    }

    /// Its keys, called `rsa`, `ec` and `ed`.
    pub fn keys(&self) -> Vec<Value> {
        let point = self.ec.public_key().as_ref();
        vec![
            json!({"kty": "RSA", "kid": "rsa", "use": "sig", "n": encoded(self.modulus()), "e": "AQAB"}),
            json!({"kty": "EC", "kid": "ec", "crv": "P-256", "x": encoded(&point[1..33]), "y": encoded(&point[33..])}),
            json!({"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": encoded(self.ed.public_key().as_ref())}),
        ]
    }

    pub fn jwks(&self) -> String {
        json!({ "keys": self.keys() }).to_string()
    }

    /// The public key of RSA, as a file has it (PKCS #1).
    pub fn public_rsa(&self) -> &[u8] {
        self.rsa.public_key().as_ref()
    }

    /// Behind the lengths of the sequence and of the number, and its sign.
    fn modulus(&self) -> &[u8] {
        &self.public_rsa()[9..265]
    }

    /// A token with the usual header of this algorithm.
    pub fn token(&self, alg: &str, claims: &Value) -> String {
        let kid = match alg {
            "ES256" => "ec",
            "EdDSA" => "ed",
            _ => "rsa",
        };
        self.signed(alg, &json!({"alg": alg, "kid": kid, "typ": "JWT"}).to_string(), &claims.to_string())
    }

    /// A token with this header and these claims, signed by this algorithm.
    pub fn signed(&self, alg: &str, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encoded(header.as_bytes()), encoded(claims.as_bytes()));
        let signature = self.signature(alg, message.as_bytes());
        format!("{message}.{}", encoded(&signature))
    }

    fn signature(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |padding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; 256];
            self.rsa.sign(padding, &random, message, &mut signature).unwrap();
            signature
        };
        match alg {
            "RS256" => rsa(&RSA_PKCS1_SHA256),
            "RS512" => rsa(&RSA_PKCS1_SHA512),
            "PS256" => rsa(&RSA_PSS_SHA256),
            "EdDSA" => self.ed.sign(message).as_ref().to_vec(),
            "ES256" => self.ec.sign(&random, message).unwrap().as_ref().to_vec(),
            "ES256 in DER" => {
                let key = self.ec.to_pkcs8v1().unwrap();
                let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref()).unwrap();
                key.sign(&random, message).unwrap().as_ref().to_vec()
            }
            other => panic!("{other}"),
        }
    }
}

pub fn encoded(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// Seconds since 1970.
pub fn unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
