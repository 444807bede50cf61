//! `[cluster]`.

use super::section;
use crate::config::units::TimeSpan;

section! {
    /// Present = this instance is one of several that do the same.
    Cluster {
        /// What this instance is called; default: the name of the machine.
        #[schemars(extend("x-syntax" = "text"))]
        name: Option<String> = None,
        /// Where this instance stands: shown, and what services with zones = "prefer" go by.
        #[schemars(extend("x-syntax" = "text"))]
        zone: Option<String> = None,
        /// Present = what may be done by one only is done by the instance that is elected.
        elect: Option<Elect> = None,
        /// true: what operators say to one instance holds at all of them, through the same etcd.
        share: bool = false,
    }
}

section! {
    /// How one of several instances is elected.
    #[schemars(extend("required" = ["etcd"]))]
    Elect {
        /// The members of etcd: http or https URLs.
        #[schemars(extend("x-syntax" = "etcd"))]
        etcd: Vec<String> = Vec::new(),
        /// What the keys begin with; instances that have it in common elect one.
        #[schemars(extend("x-syntax" = "text"))]
        prefix: String = "/evenkeel/".to_owned(),
        /// How long a leader that is gone stays the leader, in whole seconds.
        ttl: TimeSpan = TimeSpan::secs(5),
        /// PEM file with the authorities that etcd's certificates are verified against; default: the system's.
        #[schemars(extend("x-syntax" = "text"))]
        ca: Option<String> = None,
        /// PEM file with the certificate that is shown to etcd.
        #[schemars(extend("x-syntax" = "text"))]
        cert: Option<String> = None,
        /// PEM file with its key.
        #[schemars(extend("x-syntax" = "text"))]
        key: Option<String> = None,
        /// The user, where etcd asks for one.
        #[schemars(extend("x-syntax" = "text"))]
        user: Option<String> = None,
        /// File with the user's password: one line.
        #[schemars(extend("x-syntax" = "text"))]
        password_file: Option<String> = None,
    }
}
