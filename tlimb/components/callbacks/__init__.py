"""Lightning callbacks of tlimb's own: there is none; Lightning's and a lab's are named by their class paths."""
