//! `[[listener]]` and everything below it.

use std::collections::BTreeMap;

use super::auth::Auth;
use super::canary::Canary;
use super::compression::Compress;
use super::headers::{Cors, HeaderChanges, SecurityHeaders};
use super::limit::{ClientLimits, RateLimit};
use super::listener_tls::ListenerTls;
use super::mirror::Mirror;
use super::pages::{ErrorPage, MaintenancePage};
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
        /// What it is called in logs and metrics; unique among the listeners.
        #[schemars(extend("x-syntax" = "name"))]
        name: Option<String> = None,
        /// Where it listens: address:port, or "unix:/path/of/socket".
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
        /// Networks whose PROXY header, Forwarded and X-Forwarded-* are believed, or "file:PATH" with one a line.
        #[schemars(extend("x-syntax" = "proxy-or-file"))]
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
        /// Pages by status (404, "5xx") for answers of our own, before those of [server] and after those of services and routes.
        #[schemars(extend("x-key-syntax" = "error-page"))]
        error_pages: BTreeMap<String, ErrorPage> = BTreeMap::new(),
        /// What its clients are shown during maintenance, whatever its routes say.
        maintenance: Option<MaintenancePage> = None,
        /// true, or a table = answers are compressed for clients that accept it, unless a route says otherwise.
        compress: Compress = Compress::OFF,
        /// true = answers whose coding a client does not accept are decompressed for it, unless a route says otherwise.
        decompress: bool = false,
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
        /// What each client may have at a time.
        client_limits: Option<ClientLimits> = None,
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
        /// The most fields that a request may have; over it: 431.
        #[schemars(range(min = 1, max = 10_000))]
        max_headers: u32 = 100,
        /// The body of a request, 0 = no limit; over it: 413.
        max_body: Size = Size(0),
        /// Bytes a second that the sender of a body must keep up, after a grace of 10 s; 0 = no limit.
        min_body_rate: Size = Size(0),
        /// The most requests on one connection; 0 = no limit.
        max_requests_per_connection: u32 = 0,
        /// HTTP/2 streams open at a time on one connection.
        #[schemars(range(min = 1))]
        max_concurrent_streams: u32 = 128,
        /// true = `%00`, `%0a` and `%0d` in paths are passed on; false = 400.
        allow_encoded_controls: bool = false,
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
        /// The requests go to this service.
        service: Option<String> = None,
        /// The requests go to one of these services at random, by weight.
        split: Option<Vec<Share>> = None,
        /// What keeps a client on its side of the split: "cookie" (set by Evenkeel), "client_ip", "header:NAME", "cookie:NAME" or "query:NAME"; not there = nothing.
        #[schemars(extend("x-syntax" = "session-key"))]
        split_by: Option<String> = None,
        /// A growing share of the requests goes to a new version of a service.
        canary: Option<Canary> = None,
        /// The requests are answered with a redirect.
        redirect: Option<Redirect> = None,
        /// The requests are answered here, by Evenkeel itself.
        respond: Option<Respond> = None,
        /// A second service that gets a copy of the requests.
        mirror: Option<Mirror> = None,
        /// What changes in the target on the way to the backend.
        rewrite: Option<Rewrite> = None,
        /// Changes to the headers on the way to the backend.
        request_headers: HeaderChanges = HeaderChanges::default(),
        /// Changes to the headers on the way to the client.
        response_headers: HeaderChanges = HeaderChanges::default(),
        /// Which pages of other origins may use it; not there = backends say that themselves.
        cors: Option<Cors> = None,
        /// true, or a table = answers are compressed for clients that accept it; not there = as the listener has it.
        compress: Option<Compress> = None,
        /// true = answers whose coding a client does not accept are decompressed for it; not there = as the listener has it.
        decompress: Option<bool> = None,
        /// Pages by status (404, "5xx"), before those of service, listener and [server].
        #[schemars(extend("x-key-syntax" = "error-page"))]
        error_pages: BTreeMap<String, ErrorPage> = BTreeMap::new(),
        /// How many of the requests may be sent.
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
        /// The service that gets this share.
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
        /// The status of the redirect: 301, 302, 303, 307 or 308.
        #[schemars(extend("enum" = [301, 302, 303, 307, 308]))]
        status: u16 = 308,
    }
}

section! {
    /// An answer that Evenkeel gives by itself.
    #[schemars(extend("required" = ["status"]))]
    Respond {
        /// The status of the answer.
        #[schemars(range(min = 200, max = 599))]
        status: u16 = 200,
        /// The body of the answer; variables such as ${request_id} are filled in.
        body: String = String::new(),
        /// Instead of `body`: a file of at most 1 MiB, sent as it is.
        #[schemars(extend("x-syntax" = "text"))]
        file: Option<String> = None,
        /// The Content-Type of the body; with `file` it goes by the file's name where it is missing.
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
        /// The host that backends are asked by, in place of the one in the request.
        #[schemars(extend("x-syntax" = "authority"))]
        host: Option<String> = None,
    }
}

section! {
    /// Time-outs of a route; what is not here is as in the service.
    RouteTimeout {
        /// The time to a connection, its TLS handshake included.
        #[schemars(extend("x-positive" = true))]
        connect: Option<TimeSpan> = None,
        /// The time to the response's headers.
        #[schemars(extend("x-positive" = true))]
        response: Option<TimeSpan> = None,
        /// The time between two reads or writes of a body.
        #[schemars(extend("x-positive" = true))]
        idle: Option<TimeSpan> = None,
        /// The time that the whole exchange may take; 0 = no limit.
        total: Option<TimeSpan> = None,
        /// How long a request may wait for a backend below its max_connections.
        #[schemars(extend("x-positive" = true))]
        queue: Option<TimeSpan> = None,
        /// The most requests that may wait so.
        queue_length: Option<u32> = None,
    }
}
