//! Undoes the `Content-Encoding` of a body, piece by piece and within bounds; nothing here reads or writes.

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};

/// What is offered to services.
pub(super) const OFFERED: &str = "gzip, br, zstd, deflate";

/// Bytes that a body may unpack to: four times what is kept of an answer by default.
const UNPACKED_BYTES_MAX: usize = 64 << 20;

/// How many times its size a body may unpack to; text seldom does to more than 20 times.
const TIMES_MAX: usize = 200;

/// Bytes that any body may unpack to, however small it is: less hurts nobody, and what repeats itself packs very well.
const UNPACKED_BYTES_FREE: usize = 1 << 20;

/// Encodings that one body may have on top of each other; more than one is rare already.
const CODINGS_MAX: usize = 4;

/// Bytes that are unpacked at once.
const PIECE_BYTES: usize = 16 << 10;

/// The largest window of zstd, as a power of two: the 8 MiB that RFC 9659 allows a body.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Unpacks one body.
pub(super) struct Unpacking {
    /// The last that was applied is undone first.
    layers: Vec<Layer>,
    packed_bytes: usize,
    unpacked_bytes: usize,
}

impl Unpacking {
    /// What undoes the encodings of an answer with these headers; `None` where it has none.
    ///
    /// Fails with a sentence that names an encoding that is not known.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Unpacking>, String> {
        if !headers.contains_key(CONTENT_ENCODING) {
            return Ok(None);
        }
        let mut layers = Vec::new();
        for value in headers.get_all(CONTENT_ENCODING) {
            let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
            for name in text.split(',').map(str::trim) {
                layers.extend(Layer::named(name)?);
            }
        }
        if layers.len() > CODINGS_MAX {
            return Err(format!("is encoded {} times over", layers.len()));
        }
        layers.reverse();
        Ok((!layers.is_empty()).then_some(Unpacking {
            layers,
            packed_bytes: 0,
            unpacked_bytes: 0,
        }))
    }

    /// Unpacks the next piece of the body and appends what comes of it.
    ///
    /// Fails with a sentence: it is damaged, or more than it may be.
    pub(super) fn push(&mut self, piece: &[u8], unpacked: &mut Vec<u8>) -> Result<(), String> {
        self.packed_bytes += piece.len();
        let most = self.packed_bytes.saturating_mul(TIMES_MAX);
        let most = most.clamp(UNPACKED_BYTES_FREE, UNPACKED_BYTES_MAX);
        for piece in piece.chunks(PIECE_BYTES) {
            let mut piece = piece.to_vec();
            for layer in &mut self.layers {
                let mut next = Capped {
                    room: most - self.unpacked_bytes,
                    ..Capped::default()
                };
                let done = layer.push(&piece, &mut next);
                if next.is_over {
                    return Err(format!(
                        "unpacks to more than {} MiB and {TIMES_MAX} times its size",
                        most >> 20
                    ));
                }
                done.map_err(|cause| {
                    format!("is encoded as {}, and damaged: {cause}", layer.name())
                })?;
                piece = next.bytes;
            }
            self.unpacked_bytes += piece.len();
            unpacked.extend_from_slice(&piece);
        }
        Ok(())
    }

    /// Whether the body ended where its encoding does; else fails with a sentence. To be asked behind the last piece.
    pub(super) fn finish(self) -> Result<(), String> {
        if self.packed_bytes == 0 {
            // An answer without a body has headers all the same.
            return Ok(());
        }
        for layer in self.layers {
            let name = layer.name();
            if !layer.ends_here() {
                return Err(format!("is encoded as {name}, and ends too early"));
            }
        }
        Ok(())
    }
}

/// One encoding.
enum Layer {
    Gzip(MultiGzDecoder<Capped>),
    Brotli(Box<DecompressorWriter<Capped>>),
    Zstd {
        decoder: ZstdDecoder<'static>,
        is_whole: bool,
    },
    Deflate(Deflate),
}

impl Layer {
    /// `None` for the encoding that is none.
    fn named(name: &str) -> Result<Option<Layer>, String> {
        Ok(Some(match name {
            "" | "identity" => return Ok(None),
            "gzip" | "x-gzip" => Layer::Gzip(MultiGzDecoder::new(Capped::default())),
            "br" => Layer::Brotli(Box::new(DecompressorWriter::new(
                Capped::default(),
                PIECE_BYTES,
            ))),
            "zstd" => {
                let decoder = ZstdDecoder::new().and_then(|mut decoder| {
                    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
                    Ok(decoder)
                });
                Layer::Zstd {
                    decoder: decoder.map_err(|cause| format!("cannot be unpacked: {cause}"))?,
                    is_whole: false,
                }
            }
            "deflate" => Layer::Deflate(Deflate::default()),
            _ => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
                return Err(format!(
                    "is encoded as `{name}`, which is not known; {OFFERED} are"
                ));
            }
        }))
    }

    fn name(&self) -> &'static str {
        match self {
            Layer::Gzip(_) => "gzip",
            Layer::Brotli(_) => "br",
            Layer::Zstd { .. } => "zstd",
            Layer::Deflate(_) => "deflate",
        }
    }

    fn push(&mut self, piece: &[u8], unpacked: &mut Capped) -> io::Result<()> {
        match self {
            Layer::Gzip(gzip) => {
                std::mem::swap(gzip.get_mut(), unpacked);
                // A writer may keep back what it has: all of it is wanted with the piece that it is in.
                let done = gzip.write_all(piece).and_then(|()| gzip.flush());
                std::mem::swap(gzip.get_mut(), unpacked);
                done
            }
            Layer::Brotli(brotli) => {
                std::mem::swap(brotli.get_mut(), unpacked);
                let done = brotli.write_all(piece);
                std::mem::swap(brotli.get_mut(), unpacked);
                done
            }
            Layer::Zstd { decoder, is_whole } => {
                let mut input = InBuffer::around(piece);
                let mut buffer = vec![0; PIECE_BYTES];
                loop {
                    let mut output = OutBuffer::around(&mut buffer[..]);
                    let missing = decoder.run(&mut input, &mut output)?;
                    let len = output.pos();
                    unpacked.write_all(&buffer[..len])?;
                    *is_whole = missing == 0;
                    if input.pos() == piece.len() && len < PIECE_BYTES {
                        return Ok(());
                    }
                }
            }
            Layer::Deflate(deflate) => deflate.push(piece, unpacked),
        }
    }

    fn ends_here(self) -> bool {
        match self {
            Layer::Gzip(mut gzip) => gzip.try_finish().is_ok(),
            Layer::Brotli(mut brotli) => brotli.close().is_ok(),
            Layer::Zstd { is_whole, .. } => is_whole,
            Layer::Deflate(deflate) => deflate.is_whole,
        }
    }
}

/// What HTTP calls deflate: the format of zlib, or what is inside of it, because some took the name at its word.
#[derive(Default)]
struct Deflate {
    /// There as soon as two bytes have shown which it is.
    decoder: Option<Decompress>,
    begun: Vec<u8>,
    is_whole: bool,
}

impl Deflate {
    fn push(&mut self, piece: &[u8], unpacked: &mut Capped) -> io::Result<()> {
        let mut decoder = match self.decoder.take() {
            Some(decoder) => decoder,
            None => {
                self.begun.extend_from_slice(piece);
                let [first, second, ..] = self.begun[..] else {
                    return Ok(());
                };
                let is_zlib =
                    first & 0x0F == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31);
                Decompress::new(is_zlib)
            }
        };
        let begun = std::mem::take(&mut self.begun);
        let mut input = if begun.is_empty() { piece } else { &begun };
        let mut buffer = vec![0; PIECE_BYTES];
        while !self.is_whole {
            let (read, written) = (decoder.total_in(), decoder.total_out());
            let status = decoder.decompress(input, &mut buffer, FlushDecompress::None)?;
            let (read, written) = (decoder.total_in() - read, decoder.total_out() - written);
            // Both are no more than the length of a slice.
            input = &input[read as usize..];
            unpacked.write_all(&buffer[..written as usize])?;
            self.is_whole = status == Status::StreamEnd;
            if read == 0 && written == 0 {
                break;
            }
        }
        self.decoder = Some(decoder);
        Ok(())
    }
}

/// Takes no more bytes than there is room for.
#[derive(Default)]
struct Capped {
    bytes: Vec<u8>,
    room: usize,
    /// Whether there was more.
    is_over: bool,
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.room - self.bytes.len() {
            self.is_over = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(text).unwrap();
        packed.finish().unwrap()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
        packed.write_all(text).unwrap();
        packed.finish().unwrap()
    }

    fn raw(text: &[u8]) -> Vec<u8> {
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::default());
        packed.write_all(text).unwrap();
        packed.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::bulk::compress(text, 3).unwrap()
    }

    /// What the reference encoder makes of `alice and bob, `, twenty times.
    const BROTLI: &[u8] = b"\x1F\x2B\x01\xF8\x05\xEA\x64\xA9\xDE\xBA\x5A\xFE\x11\x6C\x46\x2C\x18\x02\x74\xD5\x4E\x36\xBA\xC2\xEF\x00";

    fn unpack(encoding: &str, packed: &[u8], bytes: usize) -> Result<Vec<u8>, String> {
        let mut headers = HeaderMap::new();
        for line in encoding.split(';') {
            headers.append(CONTENT_ENCODING, line.parse().unwrap());
        }
        let mut text = Vec::new();
        let Some(mut unpacking) = Unpacking::of(&headers)? else {
            return Ok(packed.to_vec());
        };
        for piece in packed.chunks(bytes) {
            unpacking.push(piece, &mut text)?;
        }
        unpacking.finish()?;
        Ok(text)
    }

    #[test]
    fn every_encoding_is_undone_whatever_pieces_it_comes_in() {
        let text: Vec<u8> = (0..40_000_u32)
            .flat_map(|number| number.to_string().into_bytes())
            .collect();
        let twice = [gzip(&text), gzip(&text)].concat();
        for (encoding, packed, text) in [
            ("gzip", gzip(&text), text.clone()),
            ("X-GZIP", gzip(&text), text.clone()),
            ("gzip", twice, [text.clone(), text.clone()].concat()),
            ("deflate", zlib(&text), text.clone()),
            ("deflate", raw(&text), text.clone()),
            ("zstd", zstd(&text), text.clone()),
            ("br", BROTLI.to_vec(), b"alice and bob, ".repeat(20)),
            ("identity", text.clone(), text.clone()),
            ("gzip, zstd", zstd(&gzip(&text)), text.clone()),
            ("gzip; deflate", zlib(&gzip(&text)), text.clone()),
            ("gzip", gzip(b""), Vec::new()),
            ("zstd", Vec::new(), Vec::new()),
        ] {
            for bytes in [1, 3, 1000, usize::MAX] {
                let got = unpack(encoding, &packed, bytes);
                assert!(got.as_ref() == Ok(&text), "{encoding} by {bytes}");
            }
        }
    }

    #[test]
    fn damage_is_told() {
        let text = b"some text that is long enough to be packed, packed, packed";
        for (encoding, packed) in [
            ("gzip", gzip(text)),
            ("deflate", zlib(text)),
            ("deflate", raw(text)),
            ("zstd", zstd(text)),
            ("br", BROTLI.to_vec()),
        ] {
            for bytes in [1, usize::MAX] {
                let short = unpack(encoding, &packed[..packed.len() - 1], bytes).unwrap_err();
                assert!(short.contains(encoding), "{encoding}: {short}");
            }
            if encoding != "br" {
                unpack(encoding, b"no such thing at all", 7).unwrap_err();
            }
        }
        let mut wrong = gzip(text);
        let at = wrong.len() - 6;
        wrong[at] ^= 1;
        unpack("gzip", &wrong, usize::MAX).unwrap_err();
        let unknown = unpack("gzip, compress", b"", 1).unwrap_err();
        assert!(unknown.contains("`compress`"), "{unknown}");
    }

    #[test]
    fn bombs_do_not_go_off() {
        let zeros = vec![0; 80 << 20];
        for (encoding, packed) in [
            ("gzip", gzip(&zeros)),
            ("deflate", raw(&zeros)),
            ("zstd", zstd(&zeros)),
            ("gzip, gzip", gzip(&gzip(&zeros))),
        ] {
            for bytes in [100, usize::MAX] {
                let why = unpack(encoding, &packed, bytes).unwrap_err();
                assert!(why.contains("unpacks to more than"), "{encoding}: {why}");
            }
        }
        // Within a megabyte it may be as dense as it likes.
        let dense = vec![0; 1 << 20];
        assert!(unpack("gzip", &gzip(&dense), 1 << 20).as_ref() == Ok(&dense));
    }
}
