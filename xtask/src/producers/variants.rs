//! The table of what is packaged, and how: one more variant is one more row.

/// A way to make a stream.
pub(super) struct Variant {
    pub(super) producer: &'static str,
    pub(super) name: &'static str,
    /// What has to be installed.
    pub(super) needs: &'static str,
    /// Run one after the other in a folder of its own; `{name}` is a source.
    pub(super) lines: &'static [&'static str],
    pub(super) entry: &'static str,
    /// What it shows: sources one after the other,
    pub(super) sources: &'static [&'static str],
    /// or these playlists side by side, as ffmpeg reads them.
    pub(super) own: &'static [&'static str],
    pub(super) kind: Kind,
    /// The sound has playlists of its own.
    pub(super) is_apart: bool,
    /// `{words}` are its subtitles.
    pub(super) has_words: bool,
    /// By how many seconds the producer has them late: its segments don't say to which of the pictures their times belong.
    pub(super) words_late: f64,
    /// The producer declares a track that never comes.
    pub(super) is_hollow: bool,
    /// More arguments for the program.
    pub(super) more: &'static [&'static str],
}

/// What segments are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Transport,
    Fragments,
    /// Frames of sound; the extension of such files.
    Packed(&'static str),
}

const ROW: Variant = Variant {
    producer: "",
    name: "",
    needs: "",
    lines: &[],
    entry: "index.m3u8",
    sources: &["avc"],
    own: &[],
    kind: Kind::Transport,
    is_apart: false,
    has_words: false,
    words_late: 0.0,
    is_hollow: false,
    more: &[],
};
const FF: Variant = Variant { producer: "ffmpeg", needs: "ffmpeg", ..ROW };
const FF4: Variant = Variant { kind: Kind::Fragments, ..FF };
const GST: Variant = Variant { producer: "gstreamer", needs: "gst-launch-1.0", ..ROW };
const SHAKA: Variant = Variant { producer: "shaka", needs: "packager", is_apart: true, ..ROW };
const SHAKA4: Variant = Variant { kind: Kind::Fragments, ..SHAKA };
const NGINX: Variant =
    Variant { producer: "nginx-rtmp", needs: "nginx", entry: "s.m3u8", own: &["s.m3u8"], ..ROW };

macro_rules! hls {
    ($source:literal, $options:literal) => {
        concat!("ffmpeg -i {", $source, "} -map 0 -c copy -f hls -hls_list_size 0 ", $options, " index.m3u8")
    };
}
macro_rules! gst {
    ($source:literal, $sink:literal, $video:literal, $audio:literal) => {
        concat!(
            "gst-launch-1.0 filesrc location={",
            $source,
            "} ! qtdemux name=d ",
            $sink,
            " ",
            $video,
            " ",
            $audio
        )
    };
}
/// A `packager` of one stream of pictures and one of sound.
macro_rules! shaka {
    ($source:literal, $video:literal, $audio:literal, $options:literal) => {
        concat!(
            "packager in={",
            $source,
            "},stream=video,playlist_name=v.m3u8,",
            $video,
            " in={",
            $source,
            "},stream=audio,playlist_name=a.m3u8,hls_group_id=audio,hls_name=en,",
            $audio,
            " --hls_master_playlist_output index.m3u8 --hls_playlist_type VOD ",
            $options
        )
    };
}
const KEY_FILES: [&str; 2] = ["write key a~key~of~16~byte", "write info key|key"];

#[rustfmt::skip]
pub(super) const VARIANTS: &[Variant] = &[
    Variant { name: "mpegts", lines: &[hls!("avc", "")], ..FF },
    Variant { name: "mpegts, 1 s", lines: &[hls!("avc", "-hls_time 1")], ..FF },
    Variant { name: "mpegts, 20 s", lines: &[hls!("avc", "-hls_time 20")], ..FF },
    Variant { name: "mpegts, split by time", lines: &[hls!("avc", "-hls_time 0.7 -hls_flags split_by_time")], ..FF },
    Variant { name: "mpegts, one file", lines: &[hls!("avc", "-hls_flags single_file")], ..FF },
    Variant { name: "mpegts, AES", lines: &[KEY_FILES[0], KEY_FILES[1], hls!("avc", "-hls_key_info_file info")], ..FF },
    Variant { name: "mpegts, AES with IV", lines: &[KEY_FILES[0], "write info key|key|0123456789abcdef0123456789abcdef", hls!("avc", "-hls_key_info_file info")], ..FF },
    Variant { name: "mpegts, hls_enc", lines: &[hls!("avc", "-hls_enc 1 -hls_enc_key abcdefghijklmnop -hls_enc_key_url key")], ..FF },
    Variant { name: "mpegts, temp_file, independent", lines: &[hls!("avc", "-hls_flags temp_file+independent_segments+program_date_time")], ..FF },
    Variant { name: "mpegts, number from 1000", lines: &[hls!("avc", "-start_number 1000")], ..FF },
    Variant { name: "mpegts, round durations", lines: &[hls!("avc", "-hls_flags round_durations -hls_time 1")], ..FF },
    Variant { name: "mpegts, omit endlist, event", lines: &[hls!("avc", "-hls_playlist_type event")], ..FF },
    Variant { name: "mpegts, named by time", lines: &[hls!("avc", "-strftime 1 -hls_flags second_level_segment_index -hls_segment_filename %Y-%%04d.ts")], ..FF },
    Variant { name: "mpegts, in folders", lines: &["write sub.txt x", hls!("avc", "-strftime 1 -strftime_mkdir 1 -hls_flags second_level_segment_index -hls_segment_filename seg/%Y/%%04d.ts")], ..FF },
    Variant { name: "mpegts, discont_start", lines: &[hls!("avc", "-hls_flags discont_start")], ..FF },
    Variant { name: "mpegts, restarted", lines: &[hls!("avc", ""), hls!("avc", "-hls_flags append_list")], sources: &["avc", "avc"], ..FF },
    Variant { name: "mpegts, restarted, other pictures", lines: &[hls!("avc", "-hls_flags omit_endlist"), hls!("open", "-hls_flags append_list")], sources: &["avc", "open"], ..FF },
    Variant { name: "mpegts, far start", lines: &["ffmpeg -i {avc} -map 0 -c copy -copyts -output_ts_offset 40000 -f hls -hls_list_size 0 index.m3u8"], ..FF },
    Variant { name: "mpegts, clock runs over", lines: &["ffmpeg -i {avc} -map 0 -c copy -copyts -output_ts_offset 95437.5 -f hls -hls_list_size 0 index.m3u8"], ..FF },
    Variant { name: "mpegts, -copyts from 0", lines: &["ffmpeg -i {avc} -map 0 -c copy -copyts -muxdelay 0 -muxpreload 0 -f hls -hls_list_size 0 index.m3u8"], ..FF },
    Variant { name: "mpegts, no B-frames", lines: &[hls!("flat", "")], sources: &["flat"], ..FF },
    Variant { name: "mpegts, open GOP", lines: &[hls!("open", "")], sources: &["open"], ..FF },
    Variant { name: "mpegts, pyramid", lines: &[hls!("pyramid", "")], sources: &["pyramid"], ..FF },
    Variant { name: "mpegts, HEVC", lines: &[hls!("hevc", "")], sources: &["hevc"], ..FF },
    Variant { name: "mpegts, AC-3", lines: &[hls!("ac3", "")], sources: &["ac3"], ..FF },
    Variant { name: "mpegts, E-AC-3", lines: &[hls!("eac3", "")], sources: &["eac3"], ..FF },
    Variant { name: "mpegts, MP3", lines: &[hls!("mp3", "")], sources: &["mp3"], ..FF },
    Variant { name: "mpegts, MP2", lines: &[hls!("mp2", "")], sources: &["mp2"], ..FF },
    Variant { name: "mpegts, Opus", lines: &[hls!("opus", "")], sources: &["opus"], ..FF },
    Variant { name: "mpegts, two of sound", lines: &[hls!("double", "")], sources: &["double"], ..FF },
    Variant { name: "mpegts, no sound", lines: &[hls!("silent", "")], sources: &["silent"], ..FF },
    Variant { name: "mpegts, sound alone", lines: &[hls!("blind", "")], sources: &["blind"], ..FF },
    Variant { name: "mpegts, LATM", lines: &[hls!("avc", "-mpegts_flags latm")], ..FF },
    Variant { name: "mpegts, sound apart", lines: &["ffmpeg -i {avc} -map 0:v -map 0:a -c copy -f hls -hls_list_size 0 -master_pl_name index.m3u8 -var_stream_map v:0,agroup:a~a:0,agroup:a,language:en,default:yes v%v.m3u8"], is_apart: true, ..FF },
    Variant { name: "mpegts, two variants", lines: &["ffmpeg -i {avc} -map 0:v -map 0:a -map 0:v -map 0:a -c copy -c:v:1 libx264 -b:v:1 60k -f hls -hls_list_size 0 -master_pl_name index.m3u8 -var_stream_map v:0,a:0~v:1,a:1 v%v.m3u8"], ..FF },
    Variant { name: "mpegts, subtitles", lines: &["ffmpeg -i {avc} -i {words} -map 0:v -map 0:a -map 1:s -c copy -f hls -hls_list_size 0 -master_pl_name index.m3u8 -var_stream_map v:0,a:0,s:0,sgroup:t,language:en v%v.m3u8"], has_words: true, words_late: 0.0587, ..FF },
    Variant { name: "fmp4", lines: &[hls!("avc", "-hls_segment_type fmp4")], ..FF4 },
    Variant { name: "fmp4, 1 s", lines: &[hls!("avc", "-hls_segment_type fmp4 -hls_time 1")], ..FF4 },
    Variant { name: "fmp4, 20 s", lines: &[hls!("avc", "-hls_segment_type fmp4 -hls_time 20")], ..FF4 },
    Variant { name: "fmp4, split by time", lines: &[hls!("avc", "-hls_segment_type fmp4 -hls_time 0.7 -hls_flags split_by_time")], own: &["index.m3u8"], ..FF4 },
    Variant { name: "fmp4, one file", lines: &[hls!("avc", "-hls_segment_type fmp4 -hls_flags single_file")], ..FF4 },
    Variant { name: "fmp4, independent, dates", lines: &[hls!("avc", "-hls_segment_type fmp4 -hls_flags temp_file+independent_segments+program_date_time")], ..FF4 },
    Variant { name: "fmp4, restarted", lines: &[hls!("avc", "-hls_segment_type fmp4"), hls!("avc", "-hls_segment_type fmp4 -hls_flags append_list")], sources: &["avc", "avc"], ..FF4 },
    Variant { name: "fmp4, far start", lines: &["ffmpeg -i {avc} -map 0 -c copy -copyts -output_ts_offset 40000 -f hls -hls_list_size 0 -hls_segment_type fmp4 index.m3u8"], ..FF4 },
    Variant { name: "fmp4, delayed moov", lines: &[hls!("avc", "-hls_segment_type fmp4 -hls_segment_options movflags=+dash+delay_moov+skip_sidx")], ..FF4 },
    Variant { name: "fmp4, negative offsets", lines: &[hls!("avc", "-hls_segment_type fmp4 -hls_segment_options movflags=+negative_cts_offsets")], ..FF4 },
    Variant { name: "fmp4, no B-frames", lines: &[hls!("flat", "-hls_segment_type fmp4")], sources: &["flat"], ..FF4 },
    Variant { name: "fmp4, open GOP", lines: &[hls!("open", "-hls_segment_type fmp4")], sources: &["open"], ..FF4 },
    Variant { name: "fmp4, HEVC", lines: &[hls!("hevc", "-hls_segment_type fmp4 -tag:v hvc1")], sources: &["hevc"], ..FF4 },
    Variant { name: "fmp4, HEVC as hev1", lines: &[hls!("hevc", "-hls_segment_type fmp4 -tag:v hev1")], sources: &["hevc"], ..FF4 },
    Variant { name: "fmp4, AC-3", lines: &[hls!("ac3", "-hls_segment_type fmp4")], sources: &["ac3"], ..FF4 },
    Variant { name: "fmp4, E-AC-3", lines: &[hls!("eac3", "-hls_segment_type fmp4 -hls_segment_options movflags=+delay_moov")], sources: &["eac3"], ..FF4 },
    Variant { name: "fmp4, MP3", lines: &[hls!("mp3", "-hls_segment_type fmp4")], sources: &["mp3"], ..FF4 },
    Variant { name: "fmp4, Opus", lines: &[hls!("opus", "-hls_segment_type fmp4")], sources: &["opus"], ..FF4 },
    Variant { name: "fmp4, two of sound", lines: &[hls!("double", "-hls_segment_type fmp4")], sources: &["double"], ..FF4 },
    Variant { name: "fmp4, no sound", lines: &[hls!("silent", "-hls_segment_type fmp4")], sources: &["silent"], ..FF4 },
    Variant { name: "fmp4, sound alone", lines: &[hls!("blind", "-hls_segment_type fmp4")], sources: &["blind"], ..FF4 },
    Variant { name: "fmp4, sound apart", lines: &["ffmpeg -i {avc} -map 0:v -map 0:a -c copy -f hls -hls_list_size 0 -hls_segment_type fmp4 -master_pl_name index.m3u8 -var_stream_map v:0,agroup:a~a:0,agroup:a,language:en,default:yes v%v.m3u8"], is_apart: true, ..FF4 },
    Variant { name: "fmp4, two languages apart", lines: &["ffmpeg -i {double} -map 0:v -map 0:a -c copy -f hls -hls_list_size 0 -hls_segment_type fmp4 -master_pl_name index.m3u8 -var_stream_map v:0,agroup:a~a:0,agroup:a,language:en,default:yes~a:1,agroup:a,language:de v%v.m3u8"], sources: &["double"], is_apart: true, more: &["--audio", "all"], ..FF4 },
    Variant { name: "mpegts, base URL", lines: &[hls!("avc", "-hls_base_url ./")], ..FF },
    Variant { name: "mpegts, one file, AES", lines: &[KEY_FILES[0], KEY_FILES[1], hls!("avc", "-hls_key_info_file info -hls_flags single_file")], ..FF },
    Variant { name: "mpegts, other keys", lines: &[KEY_FILES[0], KEY_FILES[1], hls!("avc", "-hls_key_info_file info -hls_flags periodic_rekey")], ..FF },
    Variant { name: "mpegts, I-frames only, it says", lines: &[hls!("avc", "-hls_flags iframes_only")], ..FF },
    Variant { name: "mpegts, tables at each picture", lines: &[hls!("avc", "-hls_ts_options mpegts_flags=pat_pmt_at_frames")], ..FF },
    Variant { name: "mpegts, initial discontinuity", lines: &[hls!("avc", "-hls_ts_options mpegts_flags=initial_discontinuity")], ..FF },
    Variant { name: "mpegts, nothing between tables", lines: &[hls!("avc", "-hls_ts_options pat_period=60:sdt_period=60:omit_video_pes_length=0")], ..FF },
    Variant { name: "mpegts, other numbers of tracks", lines: &[hls!("avc", "-hls_ts_options mpegts_start_pid=0x1f0:mpegts_pmt_start_pid=0x20:mpegts_transport_stream_id=7")], ..FF },
    Variant { name: "mpegts, old list", lines: &[hls!("avc", "-hls_allow_cache 0 -hls_flags delete_segments")], ..FF },
    Variant { name: "mpegts, constant rate", lines: &[hls!("avc", "-hls_ts_options muxrate=2000000")], ..FF },
    Variant { name: "fmp4, fragment for each picture", lines: &[hls!("flat", "-hls_segment_type fmp4 -hls_segment_options movflags=+frag_every_frame")], sources: &["flat"], ..FF4 },
    Variant { name: "fmp4, other ticks", lines: &[hls!("avc", "-hls_segment_type fmp4 -hls_segment_options video_track_timescale=25:movflags=+prefer_icc")], ..FF4 },
    Variant { name: "fmp4, no default base", lines: &[hls!("avc", "-hls_segment_type fmp4 -hls_segment_options movflags=+separate_moof+omit_tfhd_offset")], ..FF4 },
    Variant { name: "fmp4, no sidx, number from 7", lines: &[hls!("avc", "-hls_segment_type fmp4 -start_number 7 -hls_segment_options movflags=+skip_sidx+skip_trailer")], ..FF4 },
    Variant { name: "fmp4, far start, sound apart", lines: &["ffmpeg -i {avc} -map 0:v -map 0:a -c copy -copyts -output_ts_offset 40000 -f hls -hls_list_size 0 -hls_segment_type fmp4 -master_pl_name index.m3u8 -var_stream_map v:0,agroup:a~a:0,agroup:a,language:en,default:yes v%v.m3u8"], is_apart: true, ..FF4 },
    Variant { name: "fmp4, two variants", lines: &["ffmpeg -i {avc} -map 0:v -map 0:a -map 0:v -map 0:a -c copy -c:v:1 libx264 -b:v:1 60k -f hls -hls_list_size 0 -hls_segment_type fmp4 -master_pl_name index.m3u8 -var_stream_map v:0,a:0~v:1,a:1 v%v.m3u8"], ..FF4 },
    Variant { name: "fmp4, subtitles", lines: &["ffmpeg -i {avc} -i {words} -map 0:v -map 0:a -map 1:s -c copy -f hls -hls_list_size 0 -hls_segment_type fmp4 -master_pl_name index.m3u8 -var_stream_map v:0,a:0,s:0,sgroup:t,language:en v%v.m3u8"], has_words: true, words_late: 0.0587, ..FF4 },
    Variant { name: "segment muxer", lines: &["ffmpeg -i {avc} -map 0 -c copy -f segment -segment_list index.m3u8 -segment_time 2 s%d.ts"], ..FF },
    Variant { name: "segment muxer, AAC", lines: &["ffmpeg -i {blind} -map 0 -c copy -f segment -segment_list index.m3u8 -segment_time 2 -segment_format adts s%d.aac"], sources: &["blind"], kind: Kind::Packed("aac"), ..FF },
    Variant { name: "segment muxer, MP3", lines: &["ffmpeg -i {mp3} -map 0:a -c copy -f segment -segment_list index.m3u8 -segment_time 2 -segment_format_options write_xing=0:id3v2_version=0 s%d.mp3"], own: &["index.m3u8"], kind: Kind::Packed("mp3"), sources: &["blind"], ..FF },
    Variant { name: "dash muxer, hls_playlist", lines: &["ffmpeg -i {avc} -map 0 -c copy -f dash -hls_playlist 1 -seg_duration 2 x.mpd"], entry: "master.m3u8", is_apart: true, ..FF4 },

    Variant { name: "hlssink2", lines: &[gst!("avc", "hlssink2 name=h location=s%05d.ts playlist-location=index.m3u8 target-duration=2 max-files=0 playlist-length=0", "d.video_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! h264parse ! h.video", "d.audio_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! aacparse ! h.audio")], own: &["index.m3u8"], ..GST },
    Variant { name: "hlssink2, 1 s", lines: &[gst!("avc", "hlssink2 name=h location=s%05d.ts playlist-location=index.m3u8 target-duration=1 max-files=0 playlist-length=0", "d.video_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! h264parse ! h.video", "d.audio_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! aacparse ! h.audio")], own: &["index.m3u8"], ..GST },
    Variant { name: "hlssink2, 30 s", lines: &[gst!("avc", "hlssink2 name=h location=s%05d.ts playlist-location=index.m3u8 target-duration=30 max-files=0 playlist-length=0", "d.video_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! h264parse ! h.video", "d.audio_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! aacparse ! h.audio")], own: &["index.m3u8"], ..GST },
    Variant { name: "hlssink2, no B-frames", lines: &[gst!("flat", "hlssink2 name=h location=s%05d.ts playlist-location=index.m3u8 target-duration=2 max-files=0 playlist-length=0", "d.video_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! h264parse ! h.video", "d.audio_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! aacparse ! h.audio")], own: &["index.m3u8"], sources: &["flat"], ..GST },
    Variant { name: "hlssink2, open GOP", lines: &[gst!("open", "hlssink2 name=h location=s%05d.ts playlist-location=index.m3u8 target-duration=2 max-files=0 playlist-length=0", "d.video_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! h264parse ! h.video", "d.audio_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! aacparse ! h.audio")], own: &["index.m3u8"], sources: &["open"], ..GST },
    Variant { name: "hlssink2, HEVC", lines: &[gst!("hevc", "hlssink2 name=h location=s%05d.ts playlist-location=index.m3u8 target-duration=2 max-files=0 playlist-length=0", "d.video_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! h265parse ! h.video", "d.audio_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! aacparse ! h.audio")], own: &["index.m3u8"], sources: &["hevc"], ..GST },
    Variant { name: "hlssink2, AC-3", lines: &[gst!("ac3", "hlssink2 name=h location=s%05d.ts playlist-location=index.m3u8 target-duration=2 max-files=0 playlist-length=0", "d.video_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! h264parse ! h.video", "d.audio_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! ac3parse ! h.audio")], own: &["index.m3u8"], sources: &["ac3"], ..GST },
    Variant { name: "hlssink2, MP3", lines: &[gst!("mp3", "hlssink2 name=h location=s%05d.ts playlist-location=index.m3u8 target-duration=2 max-files=0 playlist-length=0", "d.video_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! h264parse ! h.video", "d.audio_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! mpegaudioparse ! h.audio")], own: &["index.m3u8"], sources: &["mp3"], ..GST },
    Variant { name: "hlssink2, no sound", lines: &[gst!("silent", "hlssink2 name=h location=s%05d.ts playlist-location=index.m3u8 target-duration=2 max-files=0 playlist-length=0", "d.video_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! h264parse ! h.video", "")], own: &["index.m3u8"], sources: &["silent"], ..GST },
    Variant { name: "hlssink2, sound alone", lines: &[gst!("blind", "hlssink2 name=h location=s%05d.ts playlist-location=index.m3u8 target-duration=2 max-files=0 playlist-length=0", "", "d.audio_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! aacparse ! h.audio")], own: &["index.m3u8"], sources: &["blind"], ..GST },
    Variant { name: "hlssink", lines: &[gst!("avc", "mpegtsmux name=m ! hlssink location=s%05d.ts playlist-location=index.m3u8 target-duration=2 max-files=0 playlist-length=0", "d.video_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! h264parse ! m.", "d.audio_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! aacparse ! m.")], own: &["index.m3u8"], ..GST },
    Variant { name: "hlssink3", needs: "gst:hlssink3", lines: &[gst!("avc", "hlssink3 name=h location=s%05d.ts playlist-location=index.m3u8 target-duration=2 max-files=0 playlist-length=0", "d.video_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! h264parse ! h.video", "d.audio_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! aacparse ! h.audio")], own: &["index.m3u8"], ..GST },
    Variant { name: "hlscmafsink", needs: "gst:hlscmafsink", lines: &[gst!("avc", "hlscmafsink name=h location=s%05d.m4s init-location=init%05d.mp4 playlist-location=index.m3u8 target-duration=2 playlist-length=0", "d.video_0 ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! h264parse ! h.sink", "")], own: &["index.m3u8"], sources: &["silent"], kind: Kind::Fragments, ..GST },

    Variant { name: "TS", lines: &[shaka!("avc", "segment_template=v$Number$.ts", "segment_template=a$Number$.ts", "--segment_duration 2")], own: &["v.m3u8", "a.m3u8"], ..SHAKA },
    Variant { name: "TS, packed AAC", lines: &[shaka!("avc", "segment_template=v$Number$.ts", "segment_template=a$Number$.aac", "--segment_duration 2")], own: &["v.m3u8", "a.m3u8"], ..SHAKA },
    Variant { name: "TS, packed AC-3", lines: &[shaka!("ac3", "segment_template=v$Number$.ts", "segment_template=a$Number$.ac3", "--segment_duration 2")], sources: &["ac3"], ..SHAKA },
    Variant { name: "TS, packed E-AC-3", lines: &[shaka!("eac3", "segment_template=v$Number$.ts", "segment_template=a$Number$.ec3", "--segment_duration 2")], sources: &["eac3"], ..SHAKA },
    Variant { name: "TS, no sound", lines: &["packager in={avc},stream=video,playlist_name=v.m3u8,segment_template=v$Number$.ts --hls_master_playlist_output index.m3u8 --hls_playlist_type VOD --segment_duration 2"], sources: &["silent"], is_apart: false, ..SHAKA },
    Variant { name: "TS, no B-frames", lines: &[shaka!("flat", "segment_template=v$Number$.ts", "segment_template=a$Number$.ts", "--segment_duration 2")], sources: &["flat"], ..SHAKA },
    Variant { name: "TS, 1 s, two languages", lines: &["packager in={double},stream=0,playlist_name=v.m3u8,segment_template=v$Number$.ts in={double},stream=1,playlist_name=a.m3u8,hls_group_id=audio,hls_name=en,segment_template=a$Number$.ts in={double},stream=2,playlist_name=b.m3u8,hls_group_id=audio,hls_name=de,segment_template=b$Number$.aac --hls_master_playlist_output index.m3u8 --hls_playlist_type VOD --segment_duration 1"], sources: &["double"], more: &["--audio", "all"], ..SHAKA },
    Variant { name: "TS, SAMPLE-AES", lines: &["write key a~key~of~16~byte", shaka!("avc", "segment_template=v$Number$.ts", "segment_template=a$Number$.ts", "--segment_duration 2 --enable_raw_key_encryption --protection_scheme cbc1 --keys label=:key_id=00000000000000000000000000000001:key=61206b6579206f662031362062797465 --clear_lead 0 --hls_key_uri key")], ..SHAKA },
    Variant { name: "fmp4", lines: &[shaka!("avc", "init_segment=vi.mp4,segment_template=v$Number$.m4s", "init_segment=ai.mp4,segment_template=a$Number$.m4s", "--segment_duration 2")], own: &["v.m3u8", "a.m3u8"], ..SHAKA4 },
    Variant { name: "fmp4, one file", lines: &[shaka!("avc", "output=v.mp4", "output=a.mp4", "--segment_duration 2")], own: &["v.m3u8", "a.m3u8"], ..SHAKA4 },
    Variant { name: "fmp4, several fragments", lines: &[shaka!("avc", "init_segment=vi.mp4,segment_template=v$Number$.m4s", "init_segment=ai.mp4,segment_template=a$Number$.m4s", "--segment_duration 4 --fragment_duration 1 --nogenerate_sidx_in_media_segments")], own: &["v.m3u8", "a.m3u8"], ..SHAKA4 },
    Variant { name: "fmp4, open GOP", lines: &[shaka!("open", "init_segment=vi.mp4,segment_template=v$Number$.m4s", "init_segment=ai.mp4,segment_template=a$Number$.m4s", "--segment_duration 2 --segment_sap_aligned=false --fragment_sap_aligned=false")], own: &["v.m3u8", "a.m3u8"], sources: &["open"], ..SHAKA4 },
    Variant { name: "fmp4, HEVC", lines: &[shaka!("hevc", "init_segment=vi.mp4,segment_template=v$Number$.m4s", "init_segment=ai.mp4,segment_template=a$Number$.m4s", "--segment_duration 2")], own: &["v.m3u8", "a.m3u8"], sources: &["hevc"], ..SHAKA4 },
    Variant { name: "fmp4, AC-3", lines: &[shaka!("ac3", "init_segment=vi.mp4,segment_template=v$Number$.m4s", "init_segment=ai.mp4,segment_template=a$Number$.m4s", "--segment_duration 2")], own: &["v.m3u8", "a.m3u8"], sources: &["ac3"], ..SHAKA4 },
    Variant { name: "fmp4, E-AC-3", lines: &[shaka!("eac3", "init_segment=vi.mp4,segment_template=v$Number$.m4s", "init_segment=ai.mp4,segment_template=a$Number$.m4s", "--segment_duration 2")], own: &["v.m3u8", "a.m3u8"], sources: &["eac3"], ..SHAKA4 },
    Variant { name: "fmp4, Opus", lines: &[shaka!("opus", "init_segment=vi.mp4,segment_template=v$Number$.m4s", "init_segment=ai.mp4,segment_template=a$Number$.m4s", "--segment_duration 2")], own: &["v.m3u8", "a.m3u8"], sources: &["opus"], ..SHAKA4 },
    Variant { name: "fmp4, I-frame playlist", lines: &[shaka!("avc", "init_segment=vi.mp4,segment_template=v$Number$.m4s,iframe_playlist_name=i.m3u8", "init_segment=ai.mp4,segment_template=a$Number$.m4s", "--segment_duration 2")], own: &["v.m3u8", "a.m3u8"], ..SHAKA4 },
    Variant { name: "fmp4, cbcs", lines: &["write key a~key~of~16~byte", shaka!("avc", "init_segment=vi.mp4,segment_template=v$Number$.m4s", "init_segment=ai.mp4,segment_template=a$Number$.m4s", "--segment_duration 2 --enable_raw_key_encryption --protection_scheme cbcs --keys label=:key_id=00000000000000000000000000000001:key=61206b6579206f662031362062797465 --clear_lead 0 --hls_key_uri key")], ..SHAKA4 },
    Variant { name: "fmp4, cenc", lines: &["write key a~key~of~16~byte", shaka!("avc", "init_segment=vi.mp4,segment_template=v$Number$.m4s", "init_segment=ai.mp4,segment_template=a$Number$.m4s", "--segment_duration 2 --enable_raw_key_encryption --protection_scheme cenc --keys label=:key_id=00000000000000000000000000000001:key=61206b6579206f662031362062797465 --clear_lead 0 --hls_key_uri key")], ..SHAKA4 },
    Variant { name: "fmp4, cbcs from 4 s on", lines: &["write key a~key~of~16~byte", shaka!("avc", "init_segment=vi.mp4,segment_template=v$Number$.m4s", "init_segment=ai.mp4,segment_template=a$Number$.m4s", "--segment_duration 2 --enable_raw_key_encryption --protection_scheme cbcs --keys label=:key_id=00000000000000000000000000000001:key=61206b6579206f662031362062797465 --clear_lead 4 --hls_key_uri key")], ..SHAKA4 },
    Variant { name: "fmp4, WebVTT", lines: &["packager in={avc},stream=video,playlist_name=v.m3u8,init_segment=vi.mp4,segment_template=v$Number$.m4s in={avc},stream=audio,playlist_name=a.m3u8,hls_group_id=audio,hls_name=en,init_segment=ai.mp4,segment_template=a$Number$.m4s in={words},stream=text,language=en,playlist_name=t.m3u8,hls_group_id=text,hls_name=en,segment_template=t$Number$.vtt --hls_master_playlist_output index.m3u8 --hls_playlist_type VOD --segment_duration 2"], own: &["v.m3u8", "a.m3u8"], has_words: true, ..SHAKA4 },
    Variant { name: "TS, WebVTT", lines: &["packager in={avc},stream=video,playlist_name=v.m3u8,segment_template=v$Number$.ts in={avc},stream=audio,playlist_name=a.m3u8,hls_group_id=audio,hls_name=en,segment_template=a$Number$.ts in={words},stream=text,language=en,playlist_name=t.m3u8,hls_group_id=text,hls_name=en,segment_template=t$Number$.vtt --hls_master_playlist_output index.m3u8 --hls_playlist_type VOD --segment_duration 2"], own: &["v.m3u8", "a.m3u8"], has_words: true, ..SHAKA },
    Variant { name: "fmp4, wvtt", lines: &["packager in={avc},stream=video,playlist_name=v.m3u8,init_segment=vi.mp4,segment_template=v$Number$.m4s in={avc},stream=audio,playlist_name=a.m3u8,hls_group_id=audio,hls_name=en,init_segment=ai.mp4,segment_template=a$Number$.m4s in={words},stream=text,language=en,playlist_name=t.m3u8,hls_group_id=text,hls_name=en,format=vtt+mp4,init_segment=ti.mp4,segment_template=t$Number$.m4s --hls_master_playlist_output index.m3u8 --hls_playlist_type VOD --segment_duration 2"], own: &["v.m3u8", "a.m3u8"], has_words: true, ..SHAKA4 },

    Variant { name: "plain", lines: &["nginx {avc} hls_fragment 2s;"], ..NGINX },
    Variant { name: "1 s", lines: &["nginx {avc} hls_fragment 1s;"], ..NGINX },
    Variant { name: "sliced plainly, 10 s", lines: &["nginx {avc} hls_fragment 10s; hls_fragment_slicing plain;"], ..NGINX },
    Variant { name: "aligned, named by time", lines: &["nginx {avc} hls_fragment 2s; hls_fragment_slicing aligned; hls_fragment_naming timestamp;"], ..NGINX },
    Variant { name: "AES", lines: &["nginx {avc} hls_fragment 2s; hls_keys on; hls_fragments_per_key 2;"], ..NGINX },
    Variant { name: "nested", lines: &["nginx {avc} hls_fragment 2s; hls_nested on;"], entry: "s/index.m3u8", own: &["s/index.m3u8"], ..NGINX },
    Variant { name: "no B-frames", lines: &["nginx {flat} hls_fragment 2s;"], sources: &["flat"], ..NGINX },
    Variant { name: "no sound", lines: &["nginx {silent} hls_fragment 2s;"], sources: &["silent"], is_hollow: true, ..NGINX },
    Variant { name: "sound alone", lines: &["nginx {blind} hls_fragment 2s;"], sources: &["blind"], is_hollow: true, ..NGINX },
    Variant { name: "MP3", lines: &["nginx {mp3} hls_fragment 2s;"], sources: &["mp3"], is_hollow: true, ..NGINX },
    Variant { name: "pushed twice", lines: &["nginx {avc} hls_fragment 2s; hls_continuous on;", "nginx {avc} hls_fragment 2s; hls_continuous on;"], sources: &["avc", "avc"], ..NGINX },
];
