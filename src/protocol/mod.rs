//! The versions of HTTP. [`http`] has what they share, so that the exchange in `forward/` is written once; [`h1`] and [`h2`] read and write
//! it. A version imports `http` and never another version, so that a third one changes none of them.

pub mod h1;
pub mod h2;
pub mod http;
