//! Media segments recognised and verified as their bytes pass: MPEG-TS, fMP4, packed audio, WebVTT
