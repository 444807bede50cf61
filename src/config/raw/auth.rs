//! `auth` of a route: what a client has to show.

use super::section;
use crate::config::units::TimeSpan;

section! {
    /// What a client has to show: one of these.
    Auth {
        /// A certificate with one of these names.
        client_cert: Option<ClientCert> = None,
        /// A user and a password.
        basic: Option<BasicAuth> = None,
    }
}

section! {
    /// The certificates that may come in, of those that `client_ca` of the listener has signed.
    ClientCert {
        /// DNS names of the certificate: one of them; "*.svc.example" for every name below it.
        names: Vec<String> = Vec::new(),
        /// SPIFFE IDs: one of them; "spiffe://example.org/ns/*" for every ID below it.
        spiffe: Vec<String> = Vec::new(),
    }
}

section! {
    /// Users and passwords (RFC 7617).
    #[schemars(extend("required" = ["file"]))]
    BasicAuth {
        /// File with one user:hash a line (bcrypt or argon2), as `htpasswd -B` writes it; read again when it changes.
        #[schemars(extend("x-syntax" = "text"))]
        file: Option<String> = None,
        /// What clients are shown when they are asked for a password.
        #[schemars(extend("x-syntax" = "header-value"))]
        realm: String = "restricted".to_owned(),
        /// A password that was verified is not verified again for so long.
        remember: TimeSpan = TimeSpan::secs(300),
        /// A header that tells backends who the user is.
        #[schemars(extend("x-syntax" = "header-name"))]
        user_header: Option<String> = None,
        /// true = backends get the client's Authorization.
        forward_authorization: bool = false,
    }
}
