//! stub
/// stub
#[derive(Debug)]
pub struct UpstreamMetrics;
impl UpstreamMetrics {
    /// s
    pub fn connected(&self, _w: usize) {}
    /// s
    pub fn closed(&self, _w: usize) {}
    /// s
    pub fn parked(&self, _w: usize) {}
    /// s
    pub fn unparked(&self, _w: usize) {}
}
