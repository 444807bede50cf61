//! Answers whose content was compressed or decompressed.

use super::super::fold::Sink;
use super::super::names::Metric;
use super::super::recoded::{CODINGS, SKIPPED, UNDECODED, Way};
use super::super::{Registry, names};

/// What is shown of each way: the answers, and their bytes.
const WAYS: [(Way, &Metric, &Metric); 2] = [
    (Way::Compress, &names::COMPRESSED, &names::COMPRESSED_BYTES),
    (Way::Decompress, &names::DECOMPRESSED, &names::DECOMPRESSED_BYTES),
];

impl Registry {
    /// A series of a coding appears with the first answer in it.
    pub(super) fn recoded_to(&self, out: &mut Sink<'_>) {
        let held = self.recoded.held();
        for (way, answers, bytes) in WAYS {
            out.announce(answers);
            for ([listener], recoded) in &held {
                let read = CODINGS.into_iter().zip(recoded.read(way));
                for (coding, moved) in read.filter(|(_, moved)| moved.answers > 0) {
                    out.series(answers, &[listener, coding], moved.answers);
                }
            }
            out.announce(bytes);
            for ([listener], recoded) in &held {
                let read = CODINGS.into_iter().zip(recoded.read(way));
                for (coding, moved) in read.filter(|(_, moved)| moved.answers > 0) {
                    out.series(bytes, &[listener, coding, "in"], moved.taken);
                    out.series(bytes, &[listener, coding, "out"], moved.given);
                }
            }
            match way {
                Way::Compress => {
                    out.announce(&names::COMPRESSION_SKIPPED);
                    for ([listener], recoded) in &held {
                        for (reason, count) in SKIPPED.into_iter().zip(recoded.read_skipped()) {
                            out.series(&names::COMPRESSION_SKIPPED, &[listener, reason], count);
                        }
                    }
                }
                Way::Decompress => {
                    out.announce(&names::DECOMPRESSION_FAILED);
                    for ([listener], recoded) in &held {
                        for (reason, count) in UNDECODED.into_iter().zip(recoded.read_undecoded()) {
                            out.series(&names::DECOMPRESSION_FAILED, &[listener, reason], count);
                        }
                    }
                }
            }
        }
    }
}
