#!/usr/bin/env bash
# Makes the media in this folder. Needs ffmpeg with libx264 (made with 5.1 of Debian 12).
# The picture and the sound are generated, so nobody else has a right to them.
set -euo pipefail
cd "$(dirname "$0")"
rm -rf ts fmp4 audio-ts audio-fmp4 audio-adts
mkdir ts fmp4 audio-ts audio-fmp4 audio-adts

ff() { ffmpeg -hide_banner -nostdin -y -v error "$@"; }
# Without these, the names and versions of the tools would be in the files, and each run would differ.
exact=(-fflags +bitexact -flags:v +bitexact -flags:a +bitexact -map_metadata -1)
hls=(-f hls -hls_time 2 -hls_list_size 0 -hls_playlist_type vod -hls_flags +independent_segments)

master=$(mktemp -d)
trap 'rm -rf "$master"' EXIT
# A keyframe every two seconds and no B-frames: every segment starts cleanly, and no timestamp runs backwards.
ff -f lavfi -i testsrc2=s=160x90:r=25:d=12 -f lavfi -i sine=f=440:r=48000:d=12 \
  -map 0:v -map 1:a -pix_fmt yuv420p -c:v libx264 -preset veryslow -crf 34 -threads 1 \
  -x264-params scenecut=0 -g 50 -keyint_min 50 -bf 0 -c:a aac -b:a 24k -ac 1 "${exact[@]}" "$master/all.mkv"

copy=(-i "$master/all.mkv" -c copy "${exact[@]}" "${hls[@]}")
ff "${copy[@]}" -hls_segment_filename ts/seg%d.ts ts/index.m3u8
ff "${copy[@]}" -hls_segment_type fmp4 -hls_fmp4_init_filename init0.mp4 \
  -hls_segment_filename fmp4/seg%d.m4s fmp4/index.m3u8
ff "${copy[@]}" -t 11.9 -map 0:a -hls_segment_filename audio-ts/seg%d.ts audio-ts/index.m3u8
ff "${copy[@]}" -t 11.9 -map 0:a -hls_segment_type fmp4 -hls_fmp4_init_filename init0.mp4 \
  -hls_segment_filename audio-fmp4/seg%d.m4s audio-fmp4/index.m3u8
ff -i "$master/all.mkv" -t 11.9 -map 0:a -c copy "${exact[@]}" -f segment -segment_time 2 -segment_format adts audio-adts/seg%d.aac

# The same tracks and the same codec configuration in other bytes: a `free` box behind everything else.
{ cat fmp4/init0.mp4; printf '\0\0\0\20freesecond !'; } | head -c $(($(stat -c %s fmp4/init0.mp4) + 16)) > fmp4/init1.mp4
rm ./*/index.m3u8
du -cb ./*/* | tail -1
