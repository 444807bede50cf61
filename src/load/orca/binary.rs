//! The wire format of `OrcaLoadReport`: as much of protobuf as it takes to find three numbers and named metrics, and to skip the rest.

use super::named::Named;
use super::{APPLICATION, BadReport, CPU, MEMORY, take};
use crate::endpoint::load::Report;
use crate::protobuf::{self, Malformed, Value};

/// Reads a message.
///
/// In protobuf the last one wins where a number is there twice; a report that contradicts itself is refused here.
pub(super) fn read(mut message: &[u8], utilization: &[Box<str>]) -> Result<Report, BadReport> {
    let (mut report, mut named) = (Report::default(), Named::new(utilization));
    while let Some((number, value)) = protobuf::field(&mut message)? {
        let name = match number {
            1 => CPU,
            2 => MEMORY,
            9 => APPLICATION,
            8 if !utilization.is_empty() => {
                let Value::Bytes(entry) = value else { return Err(BadReport::Form) };
                let (name, value) = metric(entry)?;
                named.see(name, value)?;
                continue;
            }
            // rates and costs, and what later versions add
            _ => continue,
        };
        match value {
            Value::Fixed64(bytes) => take(&mut report, name, f64::from_le_bytes(bytes))?,
            _ => return Err(BadReport::Form),
        }
    }
    Ok(named.complete(report))
}

/// An entry of `named_metrics`, which is a map: a message with the name and the number. Either is left out where it is empty, or 0.
fn metric(mut entry: &[u8]) -> Result<(&str, f64), BadReport> {
    let (mut name, mut metric) = ("", 0.0);
    while let Some((number, value)) = protobuf::field(&mut entry)? {
        match (number, value) {
            (1, Value::Bytes(bytes)) => name = str::from_utf8(bytes).map_err(|_| BadReport::Form)?,
            (2, Value::Fixed64(bytes)) => metric = f64::from_le_bytes(bytes),
            _ => return Err(BadReport::Form),
        }
    }
    Ok((name, metric))
}

impl From<Malformed> for BadReport {
    fn from(_: Malformed) -> Self {
        Self::Form
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without named metrics.
    fn read(message: &[u8]) -> Result<Report, BadReport> {
        super::read(message, &[])
    }

    #[test]
    fn named_metrics_are_found_where_they_are_asked_for() {
        let entry = |name: &str, value: f64| {
            let inner = [&[0x0a, u8::try_from(name.len()).unwrap()][..], name.as_bytes(), &double(2, value)].concat();
            [&[0x42, u8::try_from(inner.len()).unwrap()][..], &inner].concat()
        };
        let message = [entry("queue", 2.0), entry("other", -9.0), entry("cache", 0.5)].concat();
        let found = |asked: &str| super::read(&message, &[asked.into()]).unwrap().utilization;
        assert_eq!((found("queue"), found("cache"), found("nothing")), (Some(2.0), Some(0.5), None));
        assert_eq!(super::read(&message, &["other".into()]), Err(BadReport::Number("a named metric")));
        assert_eq!(super::read(&[0x42, 0x01, 0x0a], &["a".into()]), Err(BadReport::Form));
        assert_eq!(read(&message), Ok(Report::default()));
    }

    fn double(field: u8, value: f64) -> Vec<u8> {
        [&[field << 3 | 1][..], &value.to_le_bytes()].concat()
    }

    #[test]
    fn the_three_numbers_are_found_among_everything_else() {
        let message = [
            &[0x18, 0xac, 0x02][..],                         // rps, deprecated
            &double(1, 0.5),                                 // cpu_utilization
            &[0x22, 0x05, 0x0a, 0x01, b'a', 0x11, 0x00][..], // request_cost, cut off inside: not looked into
            &double(6, 12.5),                                // rps_fractional
            &double(2, 0.25),                                // mem_utilization
            &[0x42, 0x00][..],                               // named_metrics
            &[0x7d, 1, 2, 3, 4][..],                         // field 15, 32 bits
            &[0xfa, 0xff, 0xff, 0xff, 0x0f, 0x01, 0xff][..], // the highest field number there is
            &double(9, 3.0),                                 // application_utilization
        ]
        .concat();
        assert_eq!(read(&message), Ok(Report { cpu: Some(0.5), memory: Some(0.25), utilization: Some(3.0) }));
        assert_eq!(read(b""), Ok(Report::default()));
    }

    #[test]
    fn every_message_that_is_cut_off_inside_a_field_is_refused() {
        let message = [double(1, 0.5), vec![0x22, 3, 1, 2, 3], double(9, 0.5)].concat();
        let ends: Vec<_> = (0..=message.len()).filter(|end| read(&message[..*end]).is_ok()).collect();
        assert_eq!(ends, [0, 9, 14, 23]);
    }

    #[test]
    fn numbers_that_make_no_sense_and_second_ones_are_refused() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.5, 1e300] {
            assert_eq!(read(&double(1, bad)), Err(BadReport::Number(CPU)));
        }
        assert_eq!(read(&double(2, 1.5)), Err(BadReport::Number(MEMORY)));
        assert_eq!(read(&[double(9, 1.0), double(9, 1.0)].concat()), Err(BadReport::Twice(APPLICATION)));
    }

    #[test]
    fn what_is_no_protobuf_is_refused() {
        for bad in [
            &[0x00, 0x00][..],                                                   // field 0
            &[0x08, 0x01],                                                       // cpu_utilization as an integer
            &[0x1b],                                                             // a group
            &[0x1e],                                                             // wire type 6
            &[0x1f],                                                             // wire type 7
            &[0x22, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], // a length beyond everything
            &[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], // 65 bits
            &[0x80; 11],                                                         // a number without an end
        ] {
            assert_eq!(read(bad), Err(BadReport::Form), "{bad:x?}");
        }
    }

    #[test]
    fn no_text_of_bytes_makes_it_panic() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut read_some = 0;
        for _ in 0..100_000 {
            let length = random.usize(0..24);
            let message: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            read_some += usize::from(read(&message).is_ok());
        }
        assert!(read_some > 1000, "some of it is well-formed: {read_some}");
    }
}
