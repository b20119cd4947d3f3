"""Artifacts in a browser: finding one, driving a page in it without a window, and the runtimes that compute there.

There is no library between: a server on this machine gives the page of `driver.html` what it is to do, and is told what
came of it. So any browser of Chromium's family will do, and nothing has to be installed beside it.
"""
