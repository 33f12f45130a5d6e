"""The short list of all events in a folder of detections: pages, film strips, clips, tables and exports."""
