//! The built files, with their types, tags and compressed forms.

use std::collections::HashMap;
use std::io::Write;
use std::sync::LazyLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use include_dir::{Dir, include_dir};
use xxhash_rust::xxh3::xxh3_128;

static DIST: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/dist");

/// Smaller ones are sent as they are.
const LEAST_COMPRESSED_BYTES: usize = 1024;

/// All files by path, without a slash in front. Compressed once, when the first page is asked for: a few hundred kilobytes.
static FILES: LazyLock<HashMap<&'static str, WebFile>> = LazyLock::new(|| {
    let mut files = HashMap::new();
    add(&DIST, &mut files);
    files
});

/// One file of the bundle.
#[derive(Debug)]
pub(crate) struct WebFile {
    /// What it is, as a media type.
    pub(crate) media_type: &'static str,
    /// A strong entity tag of its content, in quotes.
    pub(crate) tag: String,
    /// As it was built.
    pub(crate) plain: Bytes,
    /// The same as gzip; missing where that saves nothing.
    pub(crate) gzip: Option<Bytes>,
}

/// The file at `path`, which has no slash in front.
pub(crate) fn find(path: &str) -> Option<&'static WebFile> {
    FILES.get(path)
}

fn add(directory: &Dir<'static>, files: &mut HashMap<&'static str, WebFile>) {
    for file in directory.files() {
        let Some(path) = file.path().to_str() else { continue }; // The build names its files itself.
        files.insert(path, WebFile::new(path, file.contents()));
    }
    for below in directory.dirs() {
        add(below, files);
    }
}

impl WebFile {
    fn new(path: &str, contents: &'static [u8]) -> Self {
        let media_type = media_type(path);
        let is_text = !matches!(media_type, "font/woff2" | "image/png");
        let gzip = (is_text && contents.len() >= LEAST_COMPRESSED_BYTES).then(|| compressed(contents)).flatten();
        Self {
            media_type,
            tag: format!("\"{:032x}\"", xxh3_128(contents)),
            plain: Bytes::from_static(contents),
            gzip: gzip.filter(|gzip| gzip.len() < contents.len()),
        }
    }
}

fn compressed(contents: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(contents).ok()?; // A vector takes everything.
    encoder.finish().ok().map(Bytes::from)
}

/// By the end of the name; the build makes no others.
fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("json") => "application/json",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn every_file_has_a_type_and_the_same_content_compressed() {
        assert!(!FILES.is_empty());
        for (path, file) in &*FILES {
            assert_ne!(file.media_type, "application/octet-stream", "{path} has an end that nobody knows");
            let Some(gzip) = &file.gzip else { continue };
            let mut whole = Vec::new();
            GzDecoder::new(&gzip[..]).read_to_end(&mut whole).unwrap();
            assert!(whole == file.plain, "{path}");
        }
    }
}
