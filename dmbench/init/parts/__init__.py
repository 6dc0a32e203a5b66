"""What initialisations share."""
