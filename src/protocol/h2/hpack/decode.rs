//! From a block to its fields (RFC 7541, section 6).

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::header::HeaderValue;

use super::CompressionError;
use super::Field;
use super::huffman;
use super::integer::Reader;
use super::name::{self, Name};
use super::table::{Table, TableEntry};

/// The most of the scratch buffer that is kept from one block to the next.
const KEPT_SCRATCH: usize = 4096;

/// Reads the blocks of one connection, in the order in which they come.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// Where Huffman-coded strings are written out.
    scratch: Vec<u8>,
}

impl Decoder {
    /// A decoder whose table may count for `max`: what our `SETTINGS_HEADER_TABLE_SIZE` allows.
    pub fn new(max: usize) -> Self {
        Self { table: Table::new(max), scratch: Vec::new() }
    }

    /// Decodes a whole field block; hands over each field with its size (RFC 7541, section 4.1). The values of some are
    /// parts of the block; those in the table are not.
    pub fn decode(&mut self, block: Bytes, mut each: impl FnMut(Field, usize)) -> Result<(), CompressionError> {
        let mut reader = Reader::new(&block);
        // a size update has its place before the first field, and nowhere else (section 4.2)
        while let Some(first @ 0x20..=0x3F) = reader.peek() {
            self.table.resize(reader.integer(first, 0x1F)?)?;
        }
        while let Some(first) = reader.peek() {
            if first >= 0x80 {
                let entry = self.table.get(reader.integer(first, 0x7F)?)?;
                each(entry.field(), entry.size);
            } else {
                let (field, size) = self.literal(first, &mut reader, &block)?;
                each(field, size);
            }
        }
        if self.scratch.len() > KEPT_SCRATCH {
            self.scratch = Vec::new();
        }
        Ok(())
    }

    fn literal(
        &mut self,
        first: u8,
        reader: &mut Reader<'_>,
        block: &Bytes,
    ) -> Result<(Field, usize), CompressionError> {
        let index = reader.integer(
            first,
            match first {
                0x40.. => 0x3F,
                0x20..=0x3F => return Err(CompressionError),
                _ => 0x0F,
            },
        )?;
        let (name, name_length) = if index == 0 {
            self.name(reader)?
        } else {
            let named = self.table.get(index)?;
            (named.name.clone(), named.name_length)
        };
        let keep = first >= 0x40;
        let (value, value_length) = self.value(reader, if keep { None } else { Some(block) })?;
        if keep {
            let entry = TableEntry::new(name, name_length, value, value_length);
            let added = (entry.field(), entry.size);
            self.table.add(entry);
            return Ok(added);
        }
        let TableEntry { name, mut value, size, .. } = TableEntry::new(name, name_length, value, value_length);
        // never to be indexed, by us neither (section 6.2.3)
        if first >= 0x10
            && let Some(value) = &mut value
        {
            value.set_sensitive(true);
        }
        Ok((name.with(value), size))
    }

    /// A name, and how long it is.
    fn name(&mut self, reader: &mut Reader<'_>) -> Result<(Name, usize), CompressionError> {
        let first = reader.peek().ok_or(CompressionError)?;
        let length = reader.integer(first, 0x7F)?;
        let (mut name, _) = reader.take(length)?;
        if first >= 0x80 {
            let length = huffman::decode(name, &mut self.scratch)?;
            name = &self.scratch[..length];
        }
        Ok((Name::read(name), name.len()))
    }

    /// A value, and how long it is. It may keep the block, if that is given.
    fn value(
        &mut self,
        reader: &mut Reader<'_>,
        block: Option<&Bytes>,
    ) -> Result<(Option<HeaderValue>, usize), CompressionError> {
        let first = reader.peek().ok_or(CompressionError)?;
        let length = reader.integer(first, 0x7F)?;
        let (value, range) = reader.take(length)?;
        if first >= 0x80 {
            let length = huffman::decode(value, &mut self.scratch)?;
            return Ok((name::copied(&self.scratch[..length]), length));
        }
        let value = match block {
            Some(block) => name::shared(block.slice(range)),
            None => name::copied(value),
        };
        Ok((value, length))
    }
}
