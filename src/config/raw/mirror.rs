//! `mirror` of a route.

use super::section;
use crate::config::units::{Size, TimeSpan};

section! {
    /// A second service that gets a copy of each request, or of a share of them; its answers are dropped.
    #[schemars(extend("required" = ["service"]))]
    Mirror {
        /// The service that gets the copies.
        service: Option<String> = None,
        /// The share of the requests that is copied, in percent, such as "10%".
        #[schemars(extend("x-syntax" = "percent"))]
        share: String = "100%".to_owned(),
        /// The longest body that is copied; 0 = requests with a body are not copied.
        #[schemars(extend("minimum" = 0, "maximum" = 16_777_216))]
        max_body: Size = Size(64 << 10),
        /// How many copies each worker has under way at most; beyond that, requests are not copied.
        #[schemars(range(min = 1, max = 65_535))]
        max_in_flight: u32 = 256,
        /// How long a copy may take in all, its body and the answer's included.
        #[schemars(extend("x-positive" = true))]
        timeout: TimeSpan = TimeSpan::secs(30),
    }
}
