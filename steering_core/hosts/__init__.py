"""Tool hosts: each tool under test lives in a process of its own, and the judging process only sees its answers."""
