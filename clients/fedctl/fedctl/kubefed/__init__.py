"""From the objects of KubeFed to documents of fedsvc: pure, document to document.

What KubeFed's objects mean: https://github.com/kubernetes-retired/kubefed/blob/master/docs/userguide.md
"""
