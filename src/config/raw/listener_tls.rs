//! `listener.tls`.

use super::{section, words};

words! {
    /// Whether clients show a certificate.
    ClientAuth { Off = "off", Optional = "optional", Required = "required", }
}

words! {
    /// What backends are told of a client's certificate.
    ClientCertHeader { Off = "off", Certificate = "certificate", Chain = "chain", }
}

words! {
    /// The oldest version of TLS that is spoken.
    TlsVersion { V1_2 = "1.2", V1_3 = "1.3", }
}

words! {
    /// A protocol that clients may choose by ALPN.
    Alpn { H2 = "h2", Http1 = "http/1.1", }
}

words! {
    /// A set of versions, cipher suites and groups, by the name that Mozilla gives it.
    TlsPreset { Modern = "modern", Intermediate = "intermediate", }
}

words! {
    /// A cipher suite, by OpenSSL's name.
    Cipher {
        Aes128 = "TLS_AES_128_GCM_SHA256",
        Aes256 = "TLS_AES_256_GCM_SHA384",
        Chacha20 = "TLS_CHACHA20_POLY1305_SHA256",
        EcdsaAes128 = "ECDHE-ECDSA-AES128-GCM-SHA256",
        RsaAes128 = "ECDHE-RSA-AES128-GCM-SHA256",
        EcdsaAes256 = "ECDHE-ECDSA-AES256-GCM-SHA384",
        RsaAes256 = "ECDHE-RSA-AES256-GCM-SHA384",
        EcdsaChacha20 = "ECDHE-ECDSA-CHACHA20-POLY1305",
        RsaChacha20 = "ECDHE-RSA-CHACHA20-POLY1305",
    }
}

words! {
    /// A group of the key exchange, by IANA's name.
    Group { X25519MlKem768 = "X25519MLKEM768", X25519 = "x25519", P256 = "secp256r1", P384 = "secp384r1", }
}

section! {
    /// TLS, terminated at this listener.
    #[schemars(extend("required" = ["certificates"]))]
    ListenerTls {
        /// Certificates with their keys, chosen by SNI; the first one when no name fits.
        certificates: Vec<CertificateFiles> = Vec::new(),
        /// Protocols offered, in order of preference.
        alpn: Vec<Alpn> = vec![Alpn::H2, Alpn::Http1],
        /// The oldest version of TLS that is spoken.
        min_version: TlsVersion = TlsVersion::V1_2,
        /// Whether clients show a certificate; "optional" and "required" need `client_ca`.
        client_auth: ClientAuth = ClientAuth::Off,
        /// PEM file with the authorities of client certificates.
        #[schemars(extend("x-syntax" = "text"))]
        client_ca: Option<String> = None,
        /// Versions, cipher suites and groups by the name of Mozilla's recommendation; `min_version` is the preset's, and lists that are written replace its lists.
        preset: Option<TlsPreset> = None,
        /// Cipher suites that are spoken, the preferred one first; empty = all, AES-128 first.
        ciphers: Vec<Cipher> = Vec::new(),
        /// Groups of the key exchange, the preferred one first; empty = all.
        groups: Vec<Group> = Vec::new(),
        /// File with keys of session tickets, so that clients resume at each instance that has the same; the first is for new tickets. It is watched.
        #[schemars(extend("x-syntax" = "text"))]
        ticket_keys: Option<String> = None,
        /// For debugging only: a file that the secrets of all connections are written to (SSLKEYLOGFILE), by which whoever has it can read them.
        #[schemars(extend("x-syntax" = "text"))]
        key_log: Option<String> = None,
        /// Backends get the client's certificate in Client-Cert ("certificate"), and what signs it in Client-Cert-Chain ("chain"): RFC 9440.
        client_cert_header: ClientCertHeader = ClientCertHeader::Off,
    }
}

section! {
    /// A certificate with its key, or a folder of them.
    CertificateFiles {
        /// PEM file with the certificate chain, the server's own first.
        #[schemars(extend("x-syntax" = "text"))]
        cert: Option<String> = None,
        /// PEM file with the private key.
        #[schemars(extend("x-syntax" = "text"))]
        key: Option<String> = None,
        /// Instead of the two: a folder, of which all certificates with their keys are served; it is watched.
        #[schemars(extend("x-syntax" = "text"))]
        folder: Option<String> = None,
        /// Beside `cert` and `key`: a file with an OCSP response (DER) that is stapled to the certificate; it is watched.
        #[schemars(extend("x-syntax" = "text"))]
        ocsp: Option<String> = None,
    }
}
