"""What these tests share with others of measuring."""

from measuring import artifact as artifact
from measuring import bad_worker as bad_worker
from measuring import quick as quick
