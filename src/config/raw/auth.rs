//! `auth` of a route: what a client has to show.

use std::collections::BTreeMap;

use super::section;
use crate::config::units::TimeSpan;

section! {
    /// What a client has to show: one of these.
    Auth {
        /// A certificate with one of these names.
        client_cert: Option<ClientCert> = None,
        /// A user and a password.
        basic: Option<BasicAuth> = None,
        /// A signed token.
        jwt: Option<JwtAuth> = None,
        /// The consent of another service.
        forward: Option<ForwardAuth> = None,
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

section! {
    /// Signed tokens (JWT, RFC 7519), verified with public keys.
    #[schemars(extend("required" = ["jwks"]))]
    JwtAuth {
        /// The keys (JWK set, RFC 7517): a file, read again when it changes, or a URL.
        #[schemars(extend("x-syntax" = "jwks"))]
        jwks: Option<String> = None,
        /// PEM file with the authorities of the URL's certificate; the system's without it.
        #[schemars(extend("x-syntax" = "text"))]
        ca: Option<String> = None,
        /// How often the URL is fetched.
        #[schemars(extend("x-positive" = true))]
        refresh: TimeSpan = TimeSpan::secs(300),
        /// Who must have issued the token (`iss`).
        #[schemars(extend("x-syntax" = "text"))]
        issuer: Option<String> = None,
        /// For whom the token must be (`aud`): one of these.
        #[schemars(extend("x-syntax" = "text"))]
        audience: Vec<String> = Vec::new(),
        /// The algorithms that are taken; empty = all of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA.
        #[schemars(extend("x-syntax" = "jwt-algorithm"))]
        algorithms: Vec<String> = Vec::new(),
        /// How far the issuer's clock may be from ours.
        leeway: TimeSpan = TimeSpan::secs(30),
        /// true = tokens that never expire come in too.
        allow_no_expiry: bool = false,
        /// Where the token is: header:NAME, cookie:NAME or query:NAME.
        #[schemars(extend("x-syntax" = "token-from"))]
        from: String = "header:Authorization".to_owned(),
        /// Headers that tell backends what a claim says: by the header's name, the claim's, or a JSON Pointer ("/realm/roles").
        #[schemars(extend("x-key-syntax" = "header-name", "x-syntax" = "text"))]
        claims: BTreeMap<String, String> = BTreeMap::new(),
        /// Claims that must have this value, or have it in their list: by the claim's name, or a JSON Pointer.
        #[schemars(extend("x-key-syntax" = "text", "x-syntax" = "text"))]
        require: BTreeMap<String, String> = BTreeMap::new(),
    }
}

section! {
    /// Another service says who may come in: it is asked about each request.
    #[schemars(extend("required" = ["service"]))]
    ForwardAuth {
        /// The service that is asked.
        service: Option<String> = None,
        /// What it is asked for, by GET: a path, maybe with a query.
        #[schemars(extend("x-syntax" = "health-path"))]
        path: String = "/".to_owned(),
        /// How long it has for its answer; after that the client gets 503.
        #[schemars(extend("x-positive" = true))]
        timeout: TimeSpan = TimeSpan::secs(1),
        /// The headers of a request that it gets, beside X-Forwarded-*.
        #[schemars(extend("x-syntax" = "header-name"))]
        request_headers: Vec<String> = vec!["cookie".to_owned(), "authorization".to_owned()],
        /// Headers of its yes that backends get, in place of what clients say there.
        #[schemars(extend("x-syntax" = "header-name"))]
        response_headers: Vec<String> = Vec::new(),
        /// Headers of its yes that the client gets with the answer, such as set-cookie.
        #[schemars(extend("x-syntax" = "header-name"))]
        client_headers: Vec<String> = Vec::new(),
    }
}
