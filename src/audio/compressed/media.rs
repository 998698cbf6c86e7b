//! Opening a compressed recording: demultiplexer, audio track and decoder.

use std::io::{self, Read};

use symphonia_bundle_flac::{FlacDecoder, FlacReader};
use symphonia_codec_aac::AacDecoder;
use symphonia_codec_alac::AlacDecoder;
use symphonia_codec_vorbis::VorbisDecoder;
use symphonia_core::codecs::CodecParameters;
use symphonia_core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_AC3, CODEC_ID_ALAC, CODEC_ID_EAC3, CODEC_ID_FLAC, CODEC_ID_MP3, CODEC_ID_OPUS,
    CODEC_ID_SPEEX, CODEC_ID_VORBIS,
};
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia_core::errors::Error as Broken;
use symphonia_core::formats::{FormatOptions, FormatReader, Track};
use symphonia_core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions, ReadOnlySource};
use symphonia_format_isomp4::IsoMp4Reader;
use symphonia_format_ogg::OggReader;

use crate::audio::probe::SUPPORTED;
use crate::audio::source::{Seekable, Source};
use crate::audio::spec::Container;
use crate::error::{Error, Result};

const CONVERT: &str = "convert it: ffmpeg -i IN OUT.wav";

/// [`Source`] as a reader.
struct Piped(Source);

impl Read for Piped {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.peek(out.len().min(32 * 1024)).map_err(|error| match error {
            Error::Read(error) => error,
            other => io::Error::other(other.to_string()),
        })?;
        let n = bytes.len();
        out[..n].copy_from_slice(bytes);
        self.0.consume(n);
        Ok(n)
    }
}

/// Reads the container's headers and selects the first audio track.
pub(super) fn open(source: Source, container: Container) -> Result<(Box<dyn FormatReader>, Track)> {
    let (seeks, media) = media(source, container);
    let stream = MediaSourceStream::new(media, MediaSourceStreamOptions::default());
    let options = FormatOptions::default();
    let opened: Result<Box<dyn FormatReader>, Broken> = match container {
        Container::Flac => FlacReader::try_new(stream, options).map(|reader| Box::new(reader) as _),
        Container::Ogg => OggReader::try_new(stream, options).map(|reader| Box::new(reader) as _),
        _ => IsoMp4Reader::try_new(stream, options).map(|reader| Box::new(reader) as _),
    };
    let format = opened.map_err(|error| refused(container, seeks, error))?;
    let is_audio = |track: &&Track| matches!(track.codec_params, Some(CodecParameters::Audio(_)));
    let track = format.tracks().iter().find(is_audio).cloned();
    let track = track.ok_or_else(|| {
        Error::Unsupported(format!("{} without an audio track of a known coding; {SUPPORTED}", container.name()))
    })?;
    Ok((format, track))
}

/// A seekable source for MP4, whose index may come after its audio; a stream for everything else.
/// The flag is true if it can seek.
fn media(source: Source, container: Container) -> (bool, Box<dyn MediaSource>) {
    let whole = container == Container::Mp4;
    match source.into_seekable() {
        Ok(Seekable::File(file)) if whole => (true, Box::new(file)),
        Ok(Seekable::File(file)) => (false, Box::new(ReadOnlySource::new(file))),
        Ok(Seekable::Bytes(bytes)) if whole => (true, Box::new(bytes)),
        Ok(Seekable::Bytes(bytes)) => (false, Box::new(ReadOnlySource::new(bytes))),
        Err(source) => (false, Box::new(ReadOnlySource::new(Piped(source)))),
    }
}

fn refused(container: Container, seeks: bool, error: Broken) -> Error {
    let what = match error {
        Broken::IoError(error) if error.kind() != io::ErrorKind::UnexpectedEof => return error.into(),
        Broken::Unsupported(what) if what.contains("moov") && !seeks => format!(
            "its index comes after the audio, where a pipe cannot reach it, or is missing: pass the file instead, or rewrite it: \
             ffmpeg -i IN -c copy -movflags +faststart OUT.m4a ({what})"
        ),
        Broken::Unsupported(what) if !what.contains("missing") => {
            return Error::Unsupported(format!("{}: {what}; {CONVERT}", container.name()));
        }
        other => format!("{}; get the file again", problem(&other)),
    };
    Error::malformed(container.name(), what)
}

/// The decoder of a track, and the name of its coding.
pub(super) fn decoder(track: &Track, options: AudioDecoderOptions) -> Result<(Box<dyn AudioDecoder>, &'static str)> {
    let Some(CodecParameters::Audio(parameters)) = &track.codec_params else {
        return Err(Error::Unsupported(format!("a track without audio; {SUPPORTED}")));
    };
    let name = codec_name(parameters);
    let made: Result<Box<dyn AudioDecoder>, Broken> = match parameters.codec {
        CODEC_ID_FLAC => FlacDecoder::try_new(parameters, &options).map(|decoder| Box::new(decoder) as _),
        CODEC_ID_VORBIS => VorbisDecoder::try_new(parameters, &options).map(|decoder| Box::new(decoder) as _),
        CODEC_ID_AAC => AacDecoder::try_new(parameters, &options).map(|decoder| Box::new(decoder) as _),
        CODEC_ID_ALAC => AlacDecoder::try_new(parameters, &options).map(|decoder| Box::new(decoder) as _),
        _ => return Err(Error::Unsupported(format!("audio coded as {name}; {SUPPORTED}"))),
    };
    let decoder = made.map_err(|error| Error::Unsupported(format!("{name}: {}; {CONVERT}", problem(&error))))?;
    Ok((decoder, name))
}

fn codec_name(parameters: &AudioCodecParameters) -> &'static str {
    match parameters.codec {
        CODEC_ID_FLAC => "FLAC",
        CODEC_ID_VORBIS => "Vorbis",
        CODEC_ID_AAC => "AAC",
        CODEC_ID_ALAC => "ALAC",
        CODEC_ID_OPUS => "Opus",
        CODEC_ID_SPEEX => "Speex",
        CODEC_ID_MP3 => "MP3 inside another container",
        CODEC_ID_AC3 | CODEC_ID_EAC3 => "Dolby Digital",
        _ => "an unknown coding",
    }
}

/// Message for an error of the dependency.
pub(super) fn problem(error: &Broken) -> String {
    match error {
        Broken::IoError(_) => "the input ends before the recording".to_owned(),
        Broken::DecodeError(what) => (*what).to_owned(),
        other => other.to_string(),
    }
}
