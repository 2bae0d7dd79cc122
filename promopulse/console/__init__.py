"""The admin site as a whole: its sidebar and label, its front page."""
