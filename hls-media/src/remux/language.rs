//! Languages: what playlists write (BCP 47) and what MP4 has room for (ISO 639-2).

/// ISO 639-1, and the terminological code of ISO 639-2 for each.
const CODES: &str = "aaaar ababk afafr akaka amamh anarg arara asasm avava ayaym azaze babak bebel bgbul bibis \
bmbam bnben bobod brbre bsbos cacat ceche chcha cocos crcre csces cuchu cvchv cycym dadan dedeu dvdiv dzdzo eeewe \
elell eneng eoepo esspa etest eueus fafas ffful fifin fjfij fofao frfra fyfry gagle gdgla glglg gngrn guguj gvglv \
hahau heheb hihin hohmo hrhrv hthat huhun hyhye hzher iaina idind ieile igibo iiiii ikipk ioido isisl itita iuiku \
jajpn jvjav kakat kgkon kikik kjkua kkkaz klkal kmkhm knkan kokor krkau kskas kukur kvkom kwcor kykir lalat lbltz \
lglug lilim lnlin lolao ltlit lulub lvlav mgmlg mhmah mimri mkmkd mlmal mnmon mrmar msmsa mtmlt mymya nanau nbnob \
ndnde nenep ngndo nlnld nnnno nonor nrnbl nvnav nynya ococi ojoji omorm orori ososs papan pipli plpol pspus ptpor \
quque rmroh rnrun roron rurus rwkin sasan scsrd sdsnd sesme sgsag sisin skslk slslv smsmo snsna sosom sqsqi srsrp \
ssssw stsot susun svswe swswa tatam tetel tgtgk ththa titir tktuk tltgl tntsn toton trtur tstso tttat twtwi tytah \
uguig ukukr ururd uzuzb veven vivie vovol wawln wowol xhxho yiyid yoyor zazha zhzho zuzul";

/// Returns the code of a language tag, such as `deu` for `de-AT`. `None`: it has none.
pub(crate) fn iso_639_2(tag: &str) -> Option<[u8; 3]> {
    let primary = tag.split(['-', '_']).next()?.to_ascii_lowercase();
    if !primary.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return None;
    }
    match primary.len() {
        3 => primary.as_bytes().first_chunk().copied(),
        2 => CODES
            .split_ascii_whitespace()
            .find_map(|code| code.strip_prefix(&primary)?.as_bytes().first_chunk().copied()),
        _ => None,
    }
}

/// Packs a code into the 15 bits of `mdhd`.
pub(crate) fn packed(code: [u8; 3]) -> u16 {
    code.into_iter().fold(0, |packed, letter| packed << 5 | u16::from(letter & 0x1f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        let check = |tag, expect: Option<&[u8; 3]>| assert_eq!(iso_639_2(tag), expect.copied(), "{tag}");
        check("en", Some(b"eng"));
        check("de-AT", Some(b"deu"));
        check("ZH-Hans", Some(b"zho"));
        check("gsw", Some(b"gsw"));
        check("zu", Some(b"zul"));
        check("qq", None);
        check("x", None);
        check("", None);
        assert_eq!(packed(*b"und"), 0x55c4);
        assert!(CODES.split_ascii_whitespace().all(|code| code.len() == 5));
    }
}
