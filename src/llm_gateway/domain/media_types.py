"""What the outside calls a picture, document, video or sound, in the words of Converse. Pure tables."""

from collections.abc import Mapping

from llm_gateway.domain.content import MediaKind

AUDIO = ("wav", "mp3", "flac", "opus", "aac", "ogg", "m4a", "mp4", "webm", "pcm")
DOCUMENTS: Mapping[str, str] = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
FORMATS: Mapping[str, tuple[MediaKind, str]] = {
    "image/png": ("image", "png"),
    "image/jpeg": ("image", "jpeg"),
    "image/jpg": ("image", "jpeg"),
    "image/gif": ("image", "gif"),
    "image/webp": ("image", "webp"),
    "video/mp4": ("video", "mp4"),
    "video/quicktime": ("video", "mov"),
    "video/webm": ("video", "webm"),
    "video/x-matroska": ("video", "mkv"),
    "video/mpeg": ("video", "mpeg"),
    "video/x-flv": ("video", "flv"),
    "video/x-ms-wmv": ("video", "wmv"),
    "video/3gpp": ("video", "three_gp"),
    "audio/mpeg": ("audio", "mp3"),
    "audio/wav": ("audio", "wav"),
    "audio/x-wav": ("audio", "wav"),
    **{f"audio/{word}": ("audio", word) for word in AUDIO},
    **{mime: ("document", word) for mime, word in DOCUMENTS.items()},
}
DOCUMENT_ENDINGS: Mapping[str, str] = {**{word: word for word in DOCUMENTS.values()}, "htm": "html", "markdown": "md"}
LARGEST_BYTES: Mapping[MediaKind, int] = {"image": 3_932_160, "document": 4_718_592}
"""Converse's documentation: 3.75 MB an image and 4.5 MB a document."""
LARGEST_WORDS: Mapping[MediaKind, str] = {"image": "3.75 MB", "document": "4.5 MB"}
