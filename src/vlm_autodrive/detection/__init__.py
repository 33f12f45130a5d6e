"""Detection: sliding windows over long video, merged into events, drawn and scored."""
