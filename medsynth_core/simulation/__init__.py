"""Images that a scanner might have made: low-dose PET from a full-dose one."""
