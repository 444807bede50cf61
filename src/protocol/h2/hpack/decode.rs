//! Decodes a block into fields (RFC 7541, section 6).

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

/// The most bytes of the scratch buffer that are kept for the next block.
const KEPT_SCRATCH: usize = 4096;

/// Decodes the field blocks of one connection, which it has to get in the order in which they arrive.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// The buffer into which Huffman-coded strings are decoded.
    scratch: Vec<u8>,
}

impl Decoder {
    /// A decoder with a dynamic table of `max` bytes at most, which is our `SETTINGS_HEADER_TABLE_SIZE`.
    pub fn new(max: usize) -> Self {
        Self { table: Table::new(max), scratch: Vec::new() }
    }

    /// Decodes a complete field block, and calls `each` for every field with its size (RFC 7541, section 4.1). Values may be
    /// slices of the block, but those in the table are not.
    ///
    /// # Errors
    ///
    /// The block can't be decoded, so the connection has to end.
    pub fn decode(&mut self, block: Bytes, mut each: impl FnMut(Field, usize)) -> Result<(), CompressionError> {
        let mut reader = Reader::new(&block);
        // a size update is allowed only before the first field (section 4.2)
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
        // the field must never be indexed, and our encoder must mark it in the same way (section 6.2.3)
        if first >= 0x10
            && let Some(value) = &mut value
        {
            value.set_sensitive(true);
        }
        Ok((name.with(value), size))
    }

    /// Reads a name, and returns it with its length.
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

    /// Reads a value, and returns it with its length. If `block` is given the value may be a slice of it.
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
