//! `[[listener]]` and everything below it.

use std::collections::BTreeMap;

use super::auth::Auth;
use super::canary::Canary;
use super::headers::{Cors, HeaderChanges, SecurityHeaders};
use super::resilience::Priority;
use super::{section, words};
use crate::config::units::{Size, TimeSpan};

words! {
    /// What is spoken on a listener.
    ListenerProtocol { Http = "http", Tcp = "tcp", Tls = "tls", Udp = "udp", }
}

words! {
    /// Whether requests get ids.
    RequestId { Off = "off", Uuidv7 = "uuidv7", }
}

words! {
    /// Whether connections begin with a PROXY header.
    ProxyProtocol { Off = "off", Accept = "accept", }
}

words! {
    /// How paths go to backends.
    Paths { Auto = "auto", Normalised = "normalised", AsSent = "as_sent", }
}

words! {
    /// What happens to requests whose path programs read in different ways.
    AmbiguousPaths { Auto = "auto", Refuse = "refuse", Pass = "pass", }
}

section! {
    /// Where clients are listened to.
    #[schemars(extend("required" = ["name", "bind"]))]
    Listener {
        /// Unique among the listeners.
        #[schemars(extend("x-syntax" = "name"))]
        name: Option<String> = None,
        /// address:port, or "unix:/path/of/socket".
        #[schemars(extend("x-syntax" = "listen"))]
        bind: Option<String> = None,
        /// true = `bind` may be an address that this machine does not have yet, such as one that keepalived moves (IP_FREEBIND).
        free_bind: bool = false,
        /// The interface that clients come in by; others can't connect.
        #[schemars(extend("x-syntax" = "interface"))]
        interface: Option<String> = None,
        /// The mark of packets to clients (SO_MARK), for routing rules and firewalls.
        mark: Option<u32> = None,
        /// The differentiated services code point of packets to clients.
        #[schemars(range(max = 63))]
        dscp: Option<u8> = None,
        /// What is spoken: "http" (HTTP/1.1 and HTTP/2), "tcp", "tls" (routed by SNI, not decrypted) or "udp".
        protocol: ListenerProtocol = ListenerProtocol::Http,
        /// The service where everything goes that no route takes.
        service: Option<String> = None,
        /// Whether connections begin with a PROXY header (v1 or v2, from `trusted_proxies` only).
        proxy_protocol: ProxyProtocol = ProxyProtocol::Off,
        /// Networks whose PROXY header, Forwarded and X-Forwarded-* are believed.
        #[schemars(extend("x-syntax" = "network"))]
        trusted_proxies: Vec<String> = Vec::new(),
        /// Networks that may come in, or "file:PATH" with one a line; all others may not. The longest network decides.
        #[schemars(extend("x-syntax" = "network-or-file"))]
        allow: Vec<String> = Vec::new(),
        /// Networks that may not come in, or "file:PATH" with one a line.
        #[schemars(extend("x-syntax" = "network-or-file"))]
        deny: Vec<String> = Vec::new(),
        /// How paths go to backends: "normalised" (RFC 3986: what routes have decided by), "as_sent", or "auto" = normalised where
        /// a route has `auth`, `allow` or `deny`.
        paths: Paths = Paths::Auto,
        /// Paths that programs read in different ways (%2F, %00, encoded twice): "refuse" = 400, "pass", or "auto" = refuse where
        /// a route has `auth`, `allow` or `deny`.
        ambiguous_paths: AmbiguousPaths = AmbiguousPaths::Auto,
        /// "uuidv7": each request gets an id (RFC 9562), which a trusted proxy may have given it before.
        request_id: RequestId = RequestId::Off,
        /// The header that carries it, to backends and back to clients.
        #[schemars(extend("x-syntax" = "header-name"))]
        request_id_header: String = "x-request-id".to_owned(),
        /// The header that tells backends the client's address, such as "x-real-ip"; not there = none does.
        #[schemars(extend("x-syntax" = "header-name"))]
        client_ip_header: Option<String> = None,
        /// Changes to the headers of all requests, before those of service and route.
        request_headers: HeaderChanges = HeaderChanges::default(),
        /// Changes to the headers of all answers, before those of service and route.
        response_headers: HeaderChanges = HeaderChanges::default(),
        /// "standard", "strict": answers get the headers that keep pages safe, where they have none of their own.
        security_headers: SecurityHeaders = SecurityHeaders::Off,
        /// Connections at a time, 0 = no limit; over it, connections wait in the kernel's queue, and idle ones of HTTP make room.
        max_connections: u32 = 0,
        /// A client connection with nothing under way is closed after this time.
        #[schemars(extend("x-positive" = true))]
        idle_timeout: TimeSpan = TimeSpan::secs(75),
        /// What clients may do.
        limits: Limits = Limits::default(),
        /// Present = TLS is terminated here.
        tls: Option<ListenerTls> = None,
        /// How many requests clients may send, over all routes.
        rate_limit: Vec<RateLimit> = Vec::new(),
        /// Which requests go elsewhere; the most specific route wins.
        route: Vec<Route> = Vec::new(),
    }
}

section! {
    /// What clients may do.
    Limits {
        /// From the first byte of a request to the end of its headers.
        #[schemars(extend("x-positive" = true))]
        header_timeout: TimeSpan = TimeSpan::secs(10),
        /// The whole head of a request; over it: 431.
        #[schemars(extend("minimum" = 1024, "maximum" = 16_777_216))]
        max_header_bytes: Size = Size(64 << 10),
        /// Fields of a request; over it: 431.
        #[schemars(range(min = 1, max = 10_000))]
        max_headers: u32 = 100,
        /// The body of a request, 0 = no limit; over it: 413.
        max_body: Size = Size(0),
        /// Bytes a second that the sender of a body must keep up, after a grace of 10 s; 0 = no limit.
        min_body_rate: Size = Size(0),
        /// Requests on one connection; 0 = no limit.
        max_requests_per_connection: u32 = 0,
        /// HTTP/2 streams open at a time on one connection.
        #[schemars(range(min = 1))]
        max_concurrent_streams: u32 = 128,
        /// true = `%00`, `%0a` and `%0d` in paths are passed on; false = 400.
        allow_encoded_controls: bool = false,
    }
}

section! {
    /// How many requests may be sent; over it: 429.
    #[schemars(extend("required" = ["rate"]))]
    RateLimit {
        /// What it is called in answers, metrics and the log; default: its rate and what it goes by.
        #[schemars(extend("x-syntax" = "name"))]
        name: Option<String> = None,
        /// So many requests in a time: "100/s", "5/m", "1000/h", "10000/d".
        #[schemars(extend("x-syntax" = "rate"))]
        rate: Option<String> = None,
        /// How many may come at once after a pause; default: as many as come in a second at this rate, at least one.
        #[schemars(range(min = 1, max = 10_000_000))]
        burst: Option<u32> = None,
        /// What is counted apart: "client", "network", "path", "uri", "header:NAME", "cookie:NAME", "query:NAME", "claim:NAME" of a token, or "all" for nothing.
        #[schemars(extend("x-syntax" = "limit-key"))]
        by: String = "client".to_owned(),
        /// How long a request over the limit may be held back; what would have to wait for longer is refused.
        delay: TimeSpan = TimeSpan::ms(0),
        /// Room for so many clients (or whatever it goes by) at a time; 40 bytes each.
        #[schemars(range(min = 1, max = 10_000_000))]
        keys: u32 = 100_000,
        /// true = nothing is refused or held back; it is counted what would have been.
        dry_run: bool = false,
        /// Redis by which all instances enforce the limit together: "redis://", "rediss://" (TLS) or "unix://".
        #[schemars(extend("x-syntax" = "session-store"))]
        store: Option<String> = None,
        /// File with the password of the store: one line.
        #[schemars(extend("x-syntax" = "text"))]
        store_password_file: Option<String> = None,
        /// PEM file with the authorities that the store's certificate is verified against; default: the system's.
        #[schemars(extend("x-syntax" = "text"))]
        store_ca: Option<String> = None,
        /// What names in the store begin with: the same on all instances that share the limit.
        #[schemars(extend("x-syntax" = "text"))]
        store_prefix: String = "evenkeel".to_owned(),
    }
}

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

section! {
    /// Which requests go elsewhere, and what happens to them: one of service, split, canary, redirect, respond.
    Route {
        /// Requests for this host: a name, or "*.example.com" for every name below it.
        #[schemars(extend("x-syntax" = "host"))]
        host: Option<String> = None,
        /// Requests for exactly this path. At most one of path, path_prefix, path_regex.
        #[schemars(extend("x-syntax" = "path"))]
        path: Option<String> = None,
        /// Requests whose path begins with this text.
        #[schemars(extend("x-syntax" = "path"))]
        path_prefix: Option<String> = None,
        /// Requests whose path matches this regular expression.
        #[schemars(extend("x-syntax" = "regex"))]
        path_regex: Option<String> = None,
        /// Requests with one of these methods; empty = every method.
        #[schemars(extend("x-syntax" = "method"))]
        methods: Vec<String> = Vec::new(),
        /// Requests in which each of these headers has this value.
        #[schemars(extend("x-key-syntax" = "header-name", "x-syntax" = "header-value"))]
        headers: BTreeMap<String, String> = BTreeMap::new(),
        /// Requests in which each of these query parameters has this value.
        #[schemars(extend("x-key-syntax" = "text"))]
        query: BTreeMap<String, String> = BTreeMap::new(),
        /// Networks that may come in, or "file:PATH" with one a line; all others may not. The longest network decides.
        #[schemars(extend("x-syntax" = "network-or-file"))]
        allow: Vec<String> = Vec::new(),
        /// Networks that may not come in, or "file:PATH" with one a line.
        #[schemars(extend("x-syntax" = "network-or-file"))]
        deny: Vec<String> = Vec::new(),
        /// What a client has to show.
        auth: Option<Auth> = None,
        /// They go to this service.
        service: Option<String> = None,
        /// They go to one of these services at random, by weight.
        split: Option<Vec<Share>> = None,
        /// What keeps a client on its side of the split: "cookie" (set by Evenkeel), "client_ip", "header:NAME", "cookie:NAME" or "query:NAME"; not there = nothing.
        #[schemars(extend("x-syntax" = "session-key"))]
        split_by: Option<String> = None,
        /// A growing share of them goes to a new version of a service.
        canary: Option<Canary> = None,
        /// They are answered with a redirect.
        redirect: Option<Redirect> = None,
        /// They are answered here.
        respond: Option<Respond> = None,
        /// What changes in the target on the way to the backend.
        rewrite: Option<Rewrite> = None,
        /// Changes to the headers on the way to the backend.
        request_headers: HeaderChanges = HeaderChanges::default(),
        /// Changes to the headers on the way to the client.
        response_headers: HeaderChanges = HeaderChanges::default(),
        /// Which pages of other origins may use it; not there = backends say that themselves.
        cors: Option<Cors> = None,
        /// How many of them may be sent.
        rate_limit: Vec<RateLimit> = Vec::new(),
        /// How important they are, where their service has an adaptive limit.
        priority: Priority = Priority::Normal,
        /// The header in which `trusted_proxies` say that: "high", "normal" or "low"; missing = they don't.
        #[schemars(extend("x-syntax" = "header-name"))]
        priority_header: Option<String> = None,
        /// Time-outs that replace those of the service.
        timeout: RouteTimeout = RouteTimeout::default(),
    }
}

section! {
    /// A service and its share of the requests.
    #[schemars(extend("required" = ["service", "weight"]))]
    Share {
        /// The service.
        service: Option<String> = None,
        /// Its share is this by the sum of all weights.
        #[schemars(range(max = 65_535))]
        weight: u32 = 1,
    }
}

section! {
    /// An answer that sends the client elsewhere.
    #[schemars(extend("required" = ["to"]))]
    Redirect {
        /// Where to; ${host}, ${path}, ${query} (with its "?") and other variables are those of the request.
        #[schemars(extend("x-syntax" = "redirect"))]
        to: Option<String> = None,
        /// 301, 302, 303, 307 or 308.
        #[schemars(extend("enum" = [301, 302, 303, 307, 308]))]
        status: u16 = 308,
    }
}

section! {
    /// An answer that Evenkeel gives by itself.
    #[schemars(extend("required" = ["status"]))]
    Respond {
        /// Its status.
        #[schemars(range(min = 200, max = 599))]
        status: u16 = 200,
        /// Its body; variables such as ${request_id} are filled in.
        body: String = String::new(),
        /// The Content-Type of the body.
        #[schemars(extend("x-syntax" = "header-value"))]
        content_type: String = "text/plain".to_owned(),
    }
}

section! {
    /// What changes in the target on the way to the backend.
    Rewrite {
        /// Replaces the part of the path that `path` or `path_prefix` matched.
        #[schemars(extend("x-syntax" = "path"))]
        prefix: Option<String> = None,
        /// Replaces the host.
        #[schemars(extend("x-syntax" = "authority"))]
        host: Option<String> = None,
    }
}

section! {
    /// Time-outs of a route; what is not here is as in the service.
    RouteTimeout {
        /// To a connection, its TLS handshake included.
        #[schemars(extend("x-positive" = true))]
        connect: Option<TimeSpan> = None,
        /// To the response's headers.
        #[schemars(extend("x-positive" = true))]
        response: Option<TimeSpan> = None,
        /// Between two reads or writes of a body.
        #[schemars(extend("x-positive" = true))]
        idle: Option<TimeSpan> = None,
        /// The whole exchange; 0 = no limit.
        total: Option<TimeSpan> = None,
        /// Waiting for a backend below its max_connections.
        #[schemars(extend("x-positive" = true))]
        queue: Option<TimeSpan> = None,
        /// Requests that may wait.
        queue_length: Option<u32> = None,
    }
}
